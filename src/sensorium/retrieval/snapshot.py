"""Exact search in memory, for indexes that are small enough."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.retrieval.conditions import paths_below
from sensorium.retrieval.rows import Hit

if TYPE_CHECKING:
    import numpy as np

SNAPSHOT_BYTES = 64 << 20
"""How much memory the vectors of an open index may take: 41,943 of the starter's, which have 400 numbers.

With more, comparing them all takes longer than asking Lance's vector index; benchmarks/vector_search.py prints both.
"""


def most_rows(dimension: int) -> int:
    """Return how many vectors a snapshot may hold."""
    return SNAPSHOT_BYTES // (4 * dimension)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All rows of an index that can be found, as they were at one version of its table.

    Attributes:
        version: Which version: its number and the time at which it was written, so that the first version of an index
            isn't mistaken for the first one of another index in the same folder.
        paths: In ascending order.
        times: float64 ``[n]``: seconds from the start of the film or recording, NaN for pictures and texts.
        vectors: float32 ``[n, d]``, rows of length 1.
        kinds: Text ``[n]``: what each row is.
    """

    version: tuple[object, ...]
    paths: Sequence[str]
    times: np.ndarray
    vectors: np.ndarray
    kinds: np.ndarray

    @classmethod
    def sort(
        cls,
        version: tuple[object, ...],
        paths: Sequence[str],
        times: np.ndarray,
        vectors: np.ndarray,
        kinds: Sequence[str],
    ) -> Snapshot:
        """Return a snapshot of rows that come in any order."""
        import numpy as np

        order = np.array(sorted(range(len(paths)), key=paths.__getitem__), np.intp)
        return cls(version, [paths[row] for row in order], times[order], vectors[order], np.array(kinds, str)[order])

    def nearest(
        self, vector: np.ndarray, limit: int, *, kind: str | None = None, under: str | None = None
    ) -> list[Hit]:
        """Return the rows nearest to a vector of length 1, best first.

        Args:
            vector: float32 ``[d]``.
            limit: How many at most.
            kind: ``"image"``, ``"moment"``, ``"sound"`` or ``"text"`` for rows of that kind only.
            under: Only what lies below this folder.
        """
        import numpy as np

        first, end = (0, len(self.paths)) if under is None else map(self._first_from, paths_below(under))
        # One product a row, because the product of the whole matrix is shared out to threads that wait for each other:
        # on a busy machine that takes ten times as long, and on a quiet one no less.
        scores = np.vecdot(self.vectors[first:end], vector)
        rows = np.arange(first, end)
        if kind is not None:
            fits = self.kinds[first:end] == kind
            scores, rows = scores[fits], rows[fits]
        if limit < len(scores):
            best = np.argpartition(scores, -limit)[-limit:]
            scores, rows = scores[best], rows[best]
        order = np.argsort(-scores, kind="stable")
        return [self._hit(row, score) for row, score in zip(rows[order].tolist(), scores[order].tolist(), strict=True)]

    def _first_from(self, path: str) -> int:
        return bisect_left(self.paths, path)

    def _hit(self, row: int, score: float) -> Hit:
        time = float(self.times[row])
        return Hit(self.paths[row], None if time != time else time, score, str(self.kinds[row]))
