"""Which of the files that a search comes upon are still where the index knows them."""

from __future__ import annotations

import os
from pathlib import Path

from sensorium.media.naming import display_name
from sensorium.retrieval.forgetting import how_to_forget
from sensorium.retrieval.mounts import is_mounted, topmost_missing
from sensorium.retrieval.table import MediaTable
from sensorium.storage.location import is_stored_remotely


class Presence:
    """Looks after files, each once, for one search.

    Args:
        table: The index.
        index: Where it lies, for messages.
    """

    def __init__(self, table: MediaTable, index: str) -> None:
        self._table = table
        self._index = index
        self._missing: list[str] = []
        self._missing_places: set[str] = set()
        self._names: dict[tuple[int, int], str] = {}

    def is_there(self, path: str) -> bool:
        """Return whether a file is there, and wasn't asked for under another spelling of its name before.

        A file that this user may not look at counts as there: only what is certainly missing is left out.
        """
        if is_stored_remotely(path):
            return True  # a question to the store for each would cost more than the search
        if not self._missing_places.isdisjoint(map(str, Path(path).parents)):
            self._missing.append(path)
            return False
        try:
            state = os.stat(path)  # noqa: PTH116 - called for every file that is near
        except (FileNotFoundError, NotADirectoryError):
            self._missing.append(path)
            self._missing_places.add(topmost_missing(path))
            return False
        except OSError:
            return True
        # Links to folders, and file systems that don't tell "a" from "A", give one file several paths. Hard links are
        # two files to those who made them.
        if state.st_nlink != 1 or not state.st_ino:
            return True
        return self._names.setdefault((state.st_dev, state.st_ino), path) == path

    def warnings(self) -> tuple[str, ...]:
        """Return what is to be told of missing files, in at most one sentence."""
        if not self._missing:
            return ()
        first, count = self._missing[0], len(self._missing)
        name = display_name(first)
        which = f"{name}, which is near, is" if count == 1 else f"{count} files that are near, such as {name}, are"
        mount = self._table.mounts([first]).get(first, "")
        if not is_mounted(mount):
            return (f"{which} not shown, because no drive is mounted at {display_name(mount)}",)
        it, was = ("it", "it was") if count == 1 else ("them", "they were")
        forget = how_to_forget(topmost_missing(first), self._index)
        return (f"{which} not where {was} indexed: index the place {was} moved to, or forget {it} with {forget}",)
