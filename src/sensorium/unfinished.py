"""Temporary files and folders: gone when the work on them ends, and also when the program has to end before that."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_guard = threading.Lock()
_there: set[Path] = set()


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Remove a file or folder at the end of the block, whether or not it is there by then, and how the block ends.

    Args:
        path: What is unfinished as long as it has this name; whoever finishes it renames it.
    """
    note_unfinished(path)
    try:
        yield path
    finally:
        _remove(path)
        forget_unfinished(path)


@contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Make an empty folder that is there during the block.

    Args:
        prefix: How its name begins.
        parent: Where it lies; None for the system's folder of temporary files.
    """
    with unfinished(Path(tempfile.mkdtemp(prefix=prefix, dir=parent))) as folder:
        yield folder


def note_unfinished(path: Path) -> None:
    """Let `remove_unfinished` remove a path, until `forget_unfinished`."""
    with _guard:
        _there.add(path)


def forget_unfinished(path: Path) -> None:
    """Let a path alone from now on."""
    with _guard:
        _there.discard(path)


def remove_unfinished() -> None:
    """Remove all that is unfinished: for a program that ends at once, although threads still work on it."""
    with _guard:
        for path in _there:
            with suppress(OSError):
                _remove(path)
        _there.clear()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
