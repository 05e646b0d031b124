"""Where a checkpoint runs, in which precision and on how many threads: decided here and nowhere else."""

from __future__ import annotations

import math
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.errors import InputError

if TYPE_CHECKING:
    import torch

_DTYPES = ("float32", "float16", "bfloat16")
_GPU_DEVICE_FILES = ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/dxg", "/dev/kfd")
"""NVIDIA cards, NVIDIA Jetson, Windows' Linux subsystem, AMD."""
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def resolve_device(device: str = "auto") -> str:
    """Return the device to run on: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Args:
        device: A device, or ``"auto"`` for the best one that this machine has.

    Raises:
        InputError: The device that was asked for isn't there; there is no silent fallback.
    """
    if device == "cpu" or (device == "auto" and _has_no_accelerator()):
        return "cpu"
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


def _has_no_accelerator() -> bool:
    """Tell without torch, whose import takes seconds: on Linux a GPU that torch could use has a device file."""
    return sys.platform == "linux" and not any(Path(path).exists() for path in _GPU_DEVICE_FILES)


def resolve_dtype(dtype: str, device: str) -> torch.dtype:
    """Return the torch precision: ``"auto"`` means float16 on a GPU, float32 on a CPU.

    Raises:
        InputError: There is no such precision.
    """
    import torch

    if dtype == "auto":
        dtype = "float32" if device == "cpu" else "float16"
    if dtype not in _DTYPES:
        raise InputError(f"There is no dtype {dtype!r}", f"Use auto, {', '.join(_DTYPES)}")
    found = getattr(torch, dtype)
    assert isinstance(found, torch.dtype)
    return found


@cache
def thread_count() -> int:
    """Return how many compute threads to use: the physical cores this process may run on, or a container's share.

    More threads than cores cost a factor of three in generation; ``SENSORIUM_THREADS`` overrides.

    Raises:
        InputError: ``SENSORIUM_THREADS`` is not a number of threads.
    """
    chosen = os.environ.get("SENSORIUM_THREADS", "")
    if chosen:
        if not chosen.isdigit() or int(chosen) < 1:
            raise InputError(f"SENSORIUM_THREADS={chosen!r} is not a number of threads", "Set it to 1 or more")
        return int(chosen)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.is_file() else str(cpu))
    return max(1, min(len(cores), _container_share()))


def _container_share() -> int:
    """Return how many cores' time the control group grants: what ``docker run --cpus`` sets."""
    try:
        quota, period = _CPU_QUOTA.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return sys.maxsize


@cache
def prepare_torch() -> None:
    """Set torch's thread count once, before the first model of the process runs."""
    import torch

    torch.set_num_threads(thread_count())
