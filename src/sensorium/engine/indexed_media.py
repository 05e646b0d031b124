"""The files that a search index holds: what is sent again under its name and unchanged stands for what was sent."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterable
from pathlib import Path


def replace_earlier(folder: Path, files: Iterable[Path]) -> int:
    """Delete files that were sent before with the same name and content as some that have just been sent.

    The index drops what is gone when it is brought up to date, and knows the content of what took its place; so
    whoever indexes the same photos once more doesn't find each of them twice.

    Args:
        folder: Of the index; each file lies in a folder of its own below it.
        files: Those that have just been sent, in it.

    Returns:
        How many were deleted.
    """
    earlier = {path for _, path in _pairs(folder, files)}
    for path in earlier:
        shutil.rmtree(path.parent, ignore_errors=True)
    return len(earlier)


def earlier_places(folder: Path, files: Iterable[Path]) -> dict[Path, Path]:
    """Return where files lie in an index to which they were sent before, with the same name and content.

    Args:
        folder: Of the index.
        files: Those that have just been sent, elsewhere.
    """
    return dict(_pairs(folder, files))


def _pairs(folder: Path, files: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Return files with what is the same in the folder of an index, and was there before."""
    new = list(files)
    fresh = {file.parent for file in new}
    named: dict[str, list[Path]] = {}
    for path in folder.glob("*/*"):
        if path.parent not in fresh and path.is_file():
            named.setdefault(path.name, []).append(path)
    return [(file, path) for file in new for path in named.get(file.name, ()) if filecmp.cmp(path, file, shallow=False)]
