"""From the rows that are nearest to a query to the files that can be shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.retrieval.presence import Presence
from sensorium.retrieval.results import Match, Matches
from sensorium.retrieval.table import MediaTable
from sensorium.retrieval.written import matches_by_writing
from sensorium.stored_path import path_or_address

if TYPE_CHECKING:
    import numpy as np

_FETCH_GROWTH = 4


def nearest_files(
    table: MediaTable,
    vector: np.ndarray | None,
    limit: int,
    *,
    index: str,
    kind: str | None,
    under: str | None,
    all_moments: bool,
    may_be_found: Callable[[Path], bool] | None,
    words: Sequence[str] = (),
) -> Matches:
    """Return the nearest files that are there, each film and recording once unless all its moments are wanted.

    Files that are near and files in which the words are written take turns, beginning with the latter: no number says
    whether a picture of a cat or one with the word in it is what somebody looks for.

    Args:
        table: Where to search.
        vector: float32 ``[d]`` of length 1; None to look at what is written only.
        limit: How many at most.
        index: Where the index lies, for messages.
        kind: ``"image"``, ``"moment"``, ``"sound"`` or ``"text"`` for matches of that kind only.
        under: Only what lies below this folder, as the index spells it.
        all_moments: Every moment of a film or a recording that matches, rather than the best one of each.
        may_be_found: Asked of each file that is near; the others are left out without a word.
        words: What may be written in a file instead, from `words_of`; none to compare vectors only.
    """
    presence, shown = Presence(table, index), dict[str, bool]()

    def is_shown(path: str) -> bool:
        if path not in shown:
            allowed = may_be_found is None or may_be_found(path_or_address(path))
            shown[path] = allowed and presence.is_there(path)
        return shown[path]

    def key(path: str, time: float | None) -> object:
        return (path, time) if all_moments else path

    written: dict[object, Match] = {}
    if words:
        for match in matches_by_writing(words, table.written(words, kind=kind, under=under)):
            if len(written) < limit and is_shown(str(match.path)):
                written.setdefault(key(str(match.path), match.time), match)
    found: dict[object, Match] = {}
    # The nearest rows may all be of one film, or of files that are gone: more are fetched until there are enough.
    fetch = limit
    while True:
        hits = [] if vector is None else table.nearest(vector, fetch, kind=kind, under=under)
        for hit in hits:
            if len(found) == limit:
                break
            if is_shown(hit.path):
                match = Match(path_or_address(hit.path), hit.kind, hit.time, hit.score)
                found.setdefault(key(hit.path, hit.time), match)
        if len(found) == limit or len(hits) < fetch:
            matches = list(_taking_turns(written, found).values())[:limit]
            return Matches(matches, model=table.encoder.name, warnings=presence.warnings())
        fetch *= _FETCH_GROWTH


def _taking_turns(first: Mapping[object, Match], second: Mapping[object, Match]) -> dict[object, Match]:
    """Return all matches, one of each by turns; what is in both counts as a match of the first."""
    merged: dict[object, Match] = {}
    others = [key for key in second if key not in first]
    for one, other in itertools.zip_longest(first, others):
        if one is not None:
            merged[one] = first[one]
        if other is not None:
            merged[other] = second[other]
    return merged
