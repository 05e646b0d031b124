"""How much memory this process may still take, and how much the weights of a checkpoint need."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from sensorium.models.spoiled_files import SPOILED

_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""Files with a container's memory limit and its memory use, for version 2 and version 1 of control groups."""
_STATISTICS = Path("/sys/fs/cgroup/memory.stat")

_NUMBER_KINDS = ("F", "BF")
_LONGEST_HEADER = 100_000_000


def total_memory() -> int:
    """Return how many bytes of main memory this process may use: all of the machine's, or a container's limit."""
    import psutil

    limits = [limit for limit, _ in _container_limits()]
    return min([int(psutil.virtual_memory().total), *limits])


def available_memory() -> int:
    """Return how many bytes of main memory are free: more would mean swapping, or breaking the container's limit."""
    import psutil

    left = [max(0, limit - used) for limit, used in _container_limits()]
    return min([int(psutil.virtual_memory().available), *left])


def weights_memory(folder: Path, prefix: str = "") -> int:
    """Return how many bytes of memory a checkpoint's safetensors weights need in float32; nothing is loaded.

    Args:
        folder: A checkpoint in the layout of transformers or diffusers, with its sub-folders. If a part exists in
            several variants ("model.safetensors" and "model.fp16.safetensors"), it is counted once.
        prefix: What the names of the weights begin with that are counted.

    Returns:
        Bytes; 0 if there are no safetensors files. Half precision needs half of it.
    """
    sizes: dict[tuple[Path, str], int] = {}
    for file in folder.rglob("*.safetensors"):
        stem = file.name.removesuffix(".safetensors")
        plain = stem.replace(".fp16", "").replace(".non_ema", "")
        key = (file.parent, plain)
        sizes[key] = max(sizes.get(key, 0), _file_memory(file, prefix))
    return sum(sizes.values())


def _file_memory(file: Path, prefix: str) -> int:
    """Return how many bytes a file's numbers need in float32, read from its header; 0 for a damaged file."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, _LONGEST_HEADER)))
        tensors = [entry for name, entry in header.items() if name != "__metadata__" and name.startswith(prefix)]
        return sum(4 * math.prod(entry["shape"]) for entry in tensors if entry["dtype"].startswith(_NUMBER_KINDS))
    except SPOILED:
        return 0


def _container_limits() -> list[tuple[int, int]]:
    """Return pairs of a container limit and the bytes used of it, not counting cached files, which can be dropped."""
    found = []
    for limit, used in _LIMITS:
        try:
            most, now = limit.read_text().strip(), int(used.read_text())
        except (OSError, ValueError):
            continue
        if most.isdigit():
            found.append((int(most), max(0, now - _droppable())))
    return found


def _droppable() -> int:
    try:
        fields = dict(line.split() for line in _STATISTICS.read_text().splitlines())
        return int(fields["inactive_file"])
    except (OSError, ValueError, KeyError):
        return 0
