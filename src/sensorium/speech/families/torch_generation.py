"""Running a torch model that draws random numbers: seeded, and stopped from outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from sensorium.models.device import explain_out_of_memory
from sensorium.models.turns import holding
from sensorium.progress import Cancellation, check_cancelled
from sensorium.quiet import quiet_transformers

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

_DRAWING = threading.Lock()
"""torch has one generator of random numbers a process, and these models take no other."""


@contextmanager
def seeded(device: torch.device, seed: int, cancel: Cancellation | None = None) -> Iterator[None]:
    """Run what is inside with torch's random numbers set to ``seed``; afterwards they go on as before.

    Args:
        device: Where the model runs.
        seed: The same seed gives the same numbers on the same device.
        cancel: Stops waiting for others who draw random numbers.
    """
    import torch

    with (
        holding(_DRAWING, cancel),
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
    ):
        torch.manual_seed(seed)
        yield


@contextmanager
def seeded_generation(*modules: Any, seed: int, voice: str, cancel: Cancellation | None) -> Iterator[None]:
    """Run what is inside with torch's random numbers set to ``seed``; afterwards they go on as before.

    Args:
        modules: Before each run of one of these ``cancel`` is looked at.
        seed: The same seed gives the same numbers on the same device.
        voice: Name of the voice, for the words of an error.
        cancel: Stops it.

    Raises:
        CancelledError: ``cancel`` was set.
        InsufficientMemoryError: The device's memory ran out.
    """
    import torch

    out_of_memory = explain_out_of_memory(
        f"Speaking with {voice!r}", "Use device='cpu', or cut the text into shorter sentences"
    )
    device = next(modules[0].parameters()).device
    with seeded(device, seed, cancel), ExitStack() as stops:
        for module in modules:
            stops.callback(module.register_forward_pre_hook(lambda *_: check_cancelled(cancel)).remove)
        with out_of_memory, torch.inference_mode(), quiet_transformers():
            yield


def as_samples(waveform: Any) -> NDArray[np.float32]:
    """Return a tensor of sound, of any precision and on any device, as float32 mono in [-1, 1]."""
    import numpy as np

    samples: NDArray[np.float32] = waveform.detach().float().cpu().reshape(-1).clamp(-1.0, 1.0).numpy()
    return np.ascontiguousarray(samples)
