"""Which items are done: a set of ids that takes 16 bytes for each, for there may be ten million."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.uint64]
    """Halves of ids, ``[n, 2]``."""

_MOST_ADDED = 200_000
"""Ids in a plain set, which takes ten times the memory, before they are sorted into the others."""


class FinishedItems:
    """A set of ids of items.

    Args:
        ids: Their halves, in any order; the same one may be there several times.
    """

    def __init__(self, ids: Ids) -> None:
        import numpy as np

        self._ids = ids[np.lexsort((ids[:, 1], ids[:, 0]))]
        self._added: set[str] = set()

    @classmethod
    def of(cls, ids: Iterable[str]) -> FinishedItems:
        """Return the set of some ids."""
        return cls(halves(ids))

    def __len__(self) -> int:
        return len(self._ids) + len(self._added)

    def add(self, id: str) -> None:
        """Add an id that isn't there yet."""
        import numpy as np

        self._added.add(id)
        if len(self._added) == _MOST_ADDED:
            ids = np.concatenate([self._ids, halves(self._added)])
            self._ids = ids[np.lexsort((ids[:, 1], ids[:, 0]))]
            self._added.clear()

    def __contains__(self, id: str) -> bool:
        import numpy as np

        if id in self._added:
            return True
        [[first, second]] = halves([id])
        place = int(np.searchsorted(self._ids[:, 0], first))
        while place < len(self._ids) and self._ids[place, 0] == first:
            if self._ids[place, 1] == second:
                return True
            place += 1
        return False


def halves(ids: Iterable[str]) -> Ids:
    """Return ids as two numbers each, uint64 ``[n, 2]``."""
    import numpy as np

    data = bytearray()
    for id in ids:
        data += bytes.fromhex(id)
    return np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def last_places(ids: Ids) -> Any:
    """Return for ids in the order of time whether each is the last of its kind, bool ``[n]``."""
    import numpy as np

    last = np.zeros(len(ids), bool)
    if len(ids):
        # A stable sort keeps the order of time among equal ids.
        order = np.lexsort((ids[:, 1], ids[:, 0]))
        ordered = ids[order]
        differs = (ordered[1:] != ordered[:-1]).any(axis=1)
        last[order] = np.append(differs, True)
    return last
