"""How much memory this process may still take, and how much a checkpoint's weights will."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""A container's limit and what it uses of it: the second and the first generation of control groups."""
_STATISTICS = Path("/sys/fs/cgroup/memory.stat")

_NUMBER_KINDS = ("F", "BF")
_LONGEST_HEADER = 100_000_000


def total_memory() -> int:
    """Return the bytes of main memory that this process may use: the machine's, or less in a container."""
    import psutil

    limits = [limit for limit, _ in _container_limits()]
    return min([int(psutil.virtual_memory().total), *limits])


def available_memory() -> int:
    """Return the bytes of main memory that can be taken without swapping or being ended by the container's limit."""
    import psutil

    left = [max(0, limit - used) for limit, used in _container_limits()]
    return min([int(psutil.virtual_memory().available), *left])


def weights_memory(folder: Path) -> int:
    """Return the bytes that the safetensors weights of a checkpoint take in float32; nothing is loaded.

    Args:
        folder: A checkpoint in the layout of transformers or diffusers; its sub-folders count too. Where a part is
            there in several variants ("model.safetensors" and "model.fp16.safetensors"), it counts once.

    Returns:
        Bytes; 0 if there are no safetensors files. In half precision the weights take half of it.
    """
    sizes: dict[tuple[Path, str], int] = {}
    for file in folder.rglob("*.safetensors"):
        stem = file.name.removesuffix(".safetensors")
        plain = stem.replace(".fp16", "").replace(".non_ema", "")
        key = (file.parent, plain)
        sizes[key] = max(sizes.get(key, 0), _file_memory(file))
    return sum(sizes.values())


def _file_memory(file: Path) -> int:
    """Return what a file's numbers take in float32, told by its header; a damaged file counts nothing here."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, _LONGEST_HEADER)))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        return sum(4 * math.prod(entry["shape"]) for entry in tensors if entry["dtype"].startswith(_NUMBER_KINDS))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return 0


def _container_limits() -> list[tuple[int, int]]:
    """Return the limits in force, each with what is used of it: file pages that can be dropped are not."""
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
