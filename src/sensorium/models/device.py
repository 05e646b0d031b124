"""Where a checkpoint runs, in which precision and on how many threads: decided here and nowhere else."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium import settings
from sensorium.errors import InputError, InsufficientMemoryError
from sensorium.explanation import ran_out_of_memory
from sensorium.models.memory import available_memory, total_memory
from sensorium.models.torchvision import require_sound_torchvision
from sensorium.threads import thread_count

if TYPE_CHECKING:
    import torch

_DTYPES = ("float32", "float16", "bfloat16")
_GPU_DEVICE_FILES = ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/dxg", "/dev/kfd")
"""NVIDIA cards, NVIDIA Jetson, Windows' Linux subsystem, AMD."""

HARDWARE = {
    "cpu": -1,
    "gpu-8gb": 0,
    "gpu-12gb": 11_000_000_000,
    "gpu-16gb": 15_000_000_000,
    "gpu-24gb": 22_000_000_000,
    "gpu-80gb": 70_000_000_000,
}
"""Classes of machines that the profile ``best`` tells apart, each with the GPU memory in bytes that it begins with: a
little less than its name says, since drivers keep some."""
_WORKING_MEMORY = 1_500_000_000
"""What a GPU needs beside the weights: activations, the libraries' own buffers."""
_LARGEST_PART = 0.8
"""How much of a pipeline's memory its largest part takes, if the sizes of the parts are not known. The value is that of
Stable Diffusion 1.5."""
_BFLOAT16_CAPABILITY = (8, 0)
"""NVIDIA cards compute bfloat16 from the Ampere generation on; earlier ones only imitate it, slowly."""


@dataclass(frozen=True)
class Placement:
    """Where the weights of a checkpoint go, and how they run there.

    Attributes:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: The precision of the weights.
        offload: Which weights wait in main memory until they are needed: ``""`` for none, ``"model"`` for the parts of
            a pipeline that don't run at the moment, ``"sequential"`` for all layers except the one that runs.
        compiled: Whether ``torch.compile`` compiles the part of the network that runs in a loop.
    """

    device: str
    dtype: torch.dtype
    offload: str = ""
    compiled: bool = False


def place(
    device: str, dtype: str, *, memory_bytes: int = 0, largest_part_bytes: int = 0, half: str = "bfloat16"
) -> Placement:
    """Decide where a checkpoint runs, and in which precision.

    There is no choice of an attention kernel: transformers and diffusers both use torch's fused kernels by themselves.

    Args:
        device: ``"auto"`` or a device, as `resolve_device` takes it.
        dtype: A precision, or ``"auto"``: float32 on a CPU, float16 on Apple's GPUs, and ``half`` on other GPUs (but
            float16 where the card can't compute in bfloat16).
        memory_bytes: Memory of all weights in float32, in bytes (see `memory.weights_memory`); 0 if it isn't known.
        largest_part_bytes: Memory of a pipeline's largest part in float32, in bytes; 0 if it isn't known.
        half: The half precision that the family was made for: ``"float16"`` for Stable Diffusion 1 and 2.

    Raises:
        InputError: There is no such device or precision.
        InsufficientMemoryError: The weights don't fit into main memory. Nothing has been loaded then.
    """
    where = resolve_device(device)
    precision = resolve_dtype(dtype, where, half=half)
    share = precision.itemsize / 4
    needed = int(memory_bytes * share)
    kind = where.partition(":")[0]
    if kind != "cuda":
        _require_main_memory(needed)
        return Placement(where, precision)
    offload = _offload(where, needed, int(largest_part_bytes * share) or int(needed * _LARGEST_PART))
    if offload:
        _require_main_memory(needed)
    return Placement(where, precision, offload, compiled=settings.compiles())


def _offload(device: str, needed: int, largest_part: int) -> str:
    import torch

    give_back_memory()
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    room = free - _WORKING_MEMORY
    if needed <= room:
        return ""
    return "model" if largest_part <= room else "sequential"


def require_memory(device: str, dtype: torch.dtype, memory_bytes: int) -> None:
    """Make sure that the memory of one device is large enough for a model.

    Args:
        device: A device, as `resolve_device` returns it.
        dtype: The precision of the weights on that device.
        memory_bytes: Memory of the weights in float32, in bytes.

    Raises:
        InsufficientMemoryError: The weights don't fit.
    """
    import torch

    needed = int(memory_bytes * dtype.itemsize / 4)
    if not device.startswith("cuda"):
        _require_main_memory(needed)
        return
    give_back_memory()
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    if needed > free:
        raise InsufficientMemoryError(
            f"The weights need {needed / 1e9:.1f} GB of the GPU's memory, and {free / 1e9:.1f} GB are free",
            "Close other programs that use the GPU, choose a smaller checkpoint ('sensorium models list' shows sizes), "
            "or use device='cpu'",
        )


def _require_main_memory(needed: int) -> None:
    left = available_memory() if needed else 0
    if needed > left:
        raise InsufficientMemoryError(
            f"The weights need {needed / 1e9:.1f} GB of memory, and {left / 1e9:.1f} GB are left",
            "Close other programs, choose a smaller checkpoint ('sensorium models list' shows sizes), "
            "or use a machine with more memory",
        )


@contextmanager
def explain_out_of_memory(what: str, remedy: str) -> Iterator[None]:
    """Raise `InsufficientMemoryError` instead of the errors by which torch and the system report exhausted memory.

    Args:
        what: The subject of the error's sentence: ``"A picture of 2048 × 2048 pixels"``.
        remedy: What the user can do: ``"Choose a smaller width and height"``.

    Raises:
        InsufficientMemoryError: Memory ran out inside the ``with`` block. Other errors are passed on unchanged.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not ran_out_of_memory(error):
            raise
        raise InsufficientMemoryError(f"{what} needs more memory than is left", remedy) from error


def resolve_device(device: str = "auto") -> str:
    """Return the device to run on: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Args:
        device: A device, or ``"auto"`` for the best device of this machine.

    Raises:
        InputError: This machine doesn't have the device. No other device is used instead.
    """
    if device == "cpu" or (device == "auto" and (_has_no_accelerator() or find_spec("torch") is None)):
        return "cpu"  # where torch isn't installed, nothing that is could use a GPU
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = device.partition(":")
    present = {
        "cuda": torch.cuda.is_available()
        and (not index or (index.isdigit() and int(index) < torch.cuda.device_count())),
        "mps": device == "mps" and torch.backends.mps.is_available(),
    }
    if not present.get(kind, False):
        raise InputError(f"The device {device!r} is not on this machine", "Use device='auto' or device='cpu'")
    return device


@cache
def hardware_class() -> str:
    """Return this machine's class, one of `HARDWARE`: it decides which checkpoints the profile ``best`` uses.

    ``SENSORIUM_HARDWARE`` names another class, so that checkpoints for another machine can be pulled on this machine.

    Raises:
        InputError: ``SENSORIUM_HARDWARE`` names no class.
    """
    chosen = settings.hardware()
    if chosen:
        if chosen not in HARDWARE:
            raise InputError(
                f"SENSORIUM_HARDWARE={chosen!r} is no class of machines", f"Set it to one of {', '.join(HARDWARE)}"
            )
        return chosen
    where = resolve_device("auto")
    if where == "cpu":
        return "cpu"
    import torch

    # Apple's GPUs share the main memory, of which macOS lets them use about two thirds.
    memory = torch.cuda.mem_get_info()[1] if where == "cuda" else total_memory() * 2 // 3
    return max((name for name, least in HARDWARE.items() if memory >= least), key=HARDWARE.__getitem__)


def _has_no_accelerator() -> bool:
    """Return whether this machine surely has no GPU that torch could use, without importing torch, which takes seconds.

    On Linux each such GPU has a device file. On other systems only torch can tell, so the answer is False.
    """
    return sys.platform == "linux" and not any(Path(path).exists() for path in _GPU_DEVICE_FILES)


def resolve_dtype(dtype: str, device: str, *, half: str = "float16") -> torch.dtype:
    """Return the torch precision.

    ``"auto"`` means float32 on a CPU. On a GPU it means ``half``, or float16 if the GPU can't compute in ``half``.

    Raises:
        InputError: There is no such precision.
    """
    import torch

    if dtype == "auto":
        dtype = "float32" if device == "cpu" else half if _computes(half, device) else "float16"
    if dtype not in _DTYPES:
        raise InputError(f"There is no dtype {dtype!r}", f"Use auto, {', '.join(_DTYPES)}")
    found = getattr(torch, dtype)
    assert isinstance(found, torch.dtype)
    return found


def _computes(half: str, device: str) -> bool:
    import torch

    if half == "float16":
        return True
    return device.startswith("cuda") and torch.cuda.get_device_capability(torch.device(device)) >= _BFLOAT16_CAPABILITY


def give_back_memory() -> None:
    """Give unused GPU memory from torch back to the system, so that the next model finds it free."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        gc.collect()
        torch.mps.empty_cache()


@cache
def prepare_torch() -> None:
    """Set up torch's threads once, before the first model of the process runs.

    On Linux, torch's threads go to sleep soon when they wait for each other, unless the user has set
    ``OMP_WAIT_POLICY`` or ``GOMP_SPINCOUNT``.

    Raises:
        MissingDependencyError: A torchvision is installed that doesn't fit torch.
    """
    settings.let_torch_threads_sleep()
    import torch

    torch.set_num_threads(thread_count())
    require_sound_torchvision()
