"""Folders of this machine: making, measuring and deleting them, and why the disk refuses."""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sensorium.engine.identifiers import is_identifier
from sensorium.errors import StorageError
from sensorium.media.naming import display_name

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Make room there"),
    errno.EDQUOT: ("this user's share of the disk is full", "Make room there"),
    errno.EFBIG: ("a file may not grow any further", "Allow this user larger files"),
    errno.EROFS: ("the disk can only be read", "Make it writable, or choose another folder"),
    errno.EACCES: ("permission denied", "Let this user write there, or choose another folder"),
    errno.ENOENT: ("the folder is gone", "Put it back, or start again"),
}


@contextmanager
def disk_failures_explained(place: Path) -> Iterator[None]:
    """Turn the system's errors into one sentence.

    Args:
        place: The folder that messages name.

    Raises:
        StorageError: Whatever goes wrong in the block with the files below the folder.
    """
    try:
        yield
    except OSError as error:
        reason, remedy = _REASONS.get(
            error.errno or 0, ((error.strerror or "the system refused").lower(), "See that the disk works")
        )
        raise StorageError(
            f"The folder {display_name(place)} can't be written: {reason}", f"{remedy}; then try again"
        ) from None


def made(folder: Path) -> Path:
    """Make a folder for this user alone, unless there is one; return it."""
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def identifiers_in(folder: Path) -> list[str]:
    """Return the names in a folder that may be ids."""
    return [path.name for path in folder.iterdir() if is_identifier(path.name)]


def bytes_below(folder: Path) -> int:
    """Return how many bytes the files of a folder take; 0 if there is none."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def made_at(path: Path) -> float:
    """Return when a path was made or changed, in seconds since 1970; infinite if it isn't there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return math.inf


def remove_folder(folder: Path) -> None:
    """Delete a folder with all that is in it."""
    while folder.is_dir():
        with suppress(FileNotFoundError):  # something else deletes below it too
            shutil.rmtree(folder)
