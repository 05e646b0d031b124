"""Whether a file that isn't there was deleted or moved, or lies on a drive that is away."""

from __future__ import annotations

import os
from pathlib import Path

from sensorium.storage.location import is_stored_remotely


def mount_of(folder: str) -> str:
    """Return the folder at which the drive is mounted that holds a folder, links followed."""
    place = Path(os.path.realpath(folder))
    return next((str(each) for each in (place, *place.parents) if os.path.ismount(each)), place.anchor)


def is_mounted(mount: str) -> bool:
    """Return whether a drive is mounted where one was; True where nothing was noted, as in an index of long ago."""
    return not mount or os.path.ismount(mount)


def is_gone(path: str, mount: str) -> bool:
    """Return whether a file was certainly deleted or moved.

    Args:
        path: Absolute.
        mount: Where the drive was mounted that held it; "" if that isn't known.
    """
    if is_stored_remotely(path):
        return False
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return broken_link_above(path) is None and is_mounted(mount)
    except OSError:
        pass
    return False


def broken_link_above(path: str) -> str | None:
    """Return the link on the way to a missing file that leads nowhere (to a drive that isn't mounted, say)."""
    for folder in Path(path).parents:
        if os.path.lexists(folder):
            return None if folder.exists() else str(folder)
    return None


def topmost_missing(path: str) -> str:
    """Return the highest folder on the way to a missing file that is missing too, or the file itself."""
    missing = path
    for folder in Path(path).parents:
        if os.path.lexists(folder):
            break
        missing = str(folder)
    return missing
