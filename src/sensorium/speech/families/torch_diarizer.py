"""What diarizers on torch have in common: how they are opened, that calls take turns, and how they compare voices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory, prepare_torch
from sensorium.models.pretrained import open_part
from sensorium.models.turns import holding
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.quiet import quiet_transformers, without_warnings
from sensorium.speech.families.components import SPEAKER_ENCODER, component
from sensorium.speech.families.speaker_encoder import SpeakerEncoder
from sensorium.speech.recogniser import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.speech.diarizer import Samples

THRESHOLD = 0.5
"""Probability over which somebody speaks: that of transformers' own examples for these models."""


class TorchDiarizer:
    """A loaded checkpoint of transformers that tells in each frame who speaks.

    Args:
        folder: A checkpoint in the layout of transformers.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` or a precision.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
        UnsupportedError: It hears sound at another rate than 16 kHz.
        InsufficientMemoryError: The weights don't fit.
    """

    part: ClassVar[str]
    """The class of transformers that prepares sound for it."""
    most_speakers: int

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        import transformers

        from sensorium.models.placed_model import open_placed

        self._checkpoint = checkpoint
        self.processor: Any = open_part(getattr(transformers, self.part), folder, checkpoint=checkpoint)
        heard = getattr(self.processor, "feature_extractor", self.processor).sampling_rate
        if heard != SAMPLE_RATE:
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} hears {heard} samples a second, and speech is read at "
                f"{SAMPLE_RATE}",
                "Choose another checkpoint",
            )
        self.model, self._placement = open_placed(
            transformers.AutoModelForAudioFrameClassification, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._encoder: SpeakerEncoder | None = None

    def voice(
        self, samples: Samples, *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the vector of length 1 of a voice; the first call opens the speaker encoder."""
        import torch

        with holding(self._opening, cancel):
            if self._encoder is None:
                checkpoint, folder = component(SPEAKER_ENCODER, progress=progress, cancel=cancel)
                self._encoder = SpeakerEncoder(folder, checkpoint=checkpoint, placement=self._placement)
        vector = torch.nn.functional.normalize(self._encoder.embed(samples))
        found: NDArray[np.float32] = vector[0].cpu().numpy()
        return found

    @contextmanager
    def running(self, cancel: Cancellation | None) -> Iterator[None]:
        """Run the model inside: one call at a time, without gradients."""
        import torch

        out_of_memory = explain_out_of_memory(
            f"Telling speakers apart with {self._checkpoint.name!r}", "Choose a smaller checkpoint, or device='cpu'"
        )
        quiet = quiet_transformers(), without_warnings()
        with holding(self._lock, cancel), torch.inference_mode(), quiet[0], quiet[1], out_of_memory:
            yield

    def prepared(self, found: Any) -> Any:
        """Return what a processor made of sound, on the device and in the precision of the model."""
        return found.to(self._placement.device, dtype=self._placement.dtype)

    def active(self, logits: Any) -> NDArray[np.bool_]:
        """Return who speaks, of shape [frames, speakers], from logits of shape [1, frames, speakers]."""
        found: NDArray[np.bool_] = (logits[0].float().sigmoid() > THRESHOLD).cpu().numpy()
        return found
