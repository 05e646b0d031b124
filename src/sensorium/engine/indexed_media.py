"""The files that a search index holds: what is sent again under its name and unchanged takes its own earlier place."""

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
    new = {file.name: file for file in files}
    fresh = {file.parent for file in new.values()}
    deleted = 0
    for path in list(folder.glob("*/*")):
        sent_again = new.get(path.name)
        if sent_again is None or path.parent in fresh or not path.is_file():
            continue
        if filecmp.cmp(path, sent_again, shallow=False):
            shutil.rmtree(path.parent, ignore_errors=True)
            deleted += 1
    return deleted
