"""The sums by which the hub and the catalog name files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def sum_of(path: Path) -> str:
    """Return the sha256 sum of a file in hexadecimal digits."""
    return _digest(hashlib.sha256(), path)


def git_sum_of(path: Path) -> str:
    """Return the sum by which git, and so the hub's listing, names a file that is kept in the repository itself."""
    return _digest(hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False), path)


def _digest(digest: Any, path: Path) -> str:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return str(digest.hexdigest())
