"""From the rows that are nearest to a query to the files that can be shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.retrieval.presence import Presence
from sensorium.retrieval.results import Match, Matches
from sensorium.retrieval.table import MediaTable
from sensorium.stored_path import path_or_address

if TYPE_CHECKING:
    import numpy as np

_FETCH_GROWTH = 4


def nearest_files(
    table: MediaTable,
    vector: np.ndarray,
    limit: int,
    *,
    index: str,
    kind: str | None,
    under: str | None,
    all_moments: bool,
    may_be_found: Callable[[Path], bool] | None,
) -> Matches:
    """Return the nearest files that are there, each film and recording once unless all its moments are wanted.

    Args:
        table: Where to search.
        vector: float32 ``[d]`` of length 1.
        limit: How many at most.
        index: Where the index lies, for messages.
        kind: ``"image"``, ``"moment"``, ``"sound"`` or ``"text"`` for matches of that kind only.
        under: Only what lies below this folder, as the index spells it.
        all_moments: Every moment of a film or a recording that matches, rather than the best one of each.
        may_be_found: Asked of each file that is near; the others are left out without a word.
    """
    presence, shown = Presence(table, index), dict[str, bool]()
    found: dict[object, Match] = {}
    # The nearest rows may all be of one film, or of files that are gone: more are fetched until there are enough.
    fetch = limit
    while True:
        hits = table.nearest(vector, fetch, kind=kind, under=under)
        for hit in hits:
            if len(found) == limit:
                break
            if hit.path not in shown:
                allowed = may_be_found is None or may_be_found(path_or_address(hit.path))
                shown[hit.path] = allowed and presence.is_there(hit.path)
            if shown[hit.path]:
                match = Match(path_or_address(hit.path), hit.kind, hit.time, hit.score)
                found.setdefault((hit.path, hit.time) if all_moments else hit.path, match)
        if len(found) == limit or len(hits) < fetch:
            return Matches(found.values(), model=table.encoder.name, warnings=presence.warnings())
        fetch *= _FETCH_GROWTH
