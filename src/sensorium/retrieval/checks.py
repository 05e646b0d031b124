"""What an index is asked to hold and to find, checked before anything is opened."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TypeAlias

from sensorium.errors import InputError
from sensorium.media.source import ResolvedMedia, display_name
from sensorium.retrieval.scan import absolute

IndexedSource: TypeAlias = str | os.PathLike[str] | ResolvedMedia
"""A path, or a file that was resolved before."""

_KINDS = ("image", "moment", "sound", "text")


def names_by_path(paths: IndexedSource | Iterable[IndexedSource]) -> dict[str, str]:
    """Return how messages call files, folders and patterns, by their absolute paths.

    Raises:
        InputError: There is none, or one has no path.
    """
    listed = [paths] if isinstance(paths, (str, os.PathLike, ResolvedMedia)) else list(paths)
    if not listed:
        raise InputError("No files or folders were named", "Name at least one")
    return dict(map(_place_and_name, listed))


def _place_and_name(source: IndexedSource) -> tuple[str, str]:
    if isinstance(source, ResolvedMedia):
        if source.path is None:
            raise InputError(
                f"{source.name} lies nowhere that a search could lead to", "Save it to a file, and name that"
            )
        return str(source.path), source.name
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"A file can't be named by an object of type {type(source).__name__}", "Give its path")
    path = absolute(source)
    return path, display_name(path)


def require_every(every: float) -> None:
    """Refuse a distance between moments that is none.

    Raises:
        InputError: It isn't a number above 0.
    """
    if not (math.isfinite(every) and every > 0):
        raise InputError(f"Moments can't be {every} seconds apart", "Give a number of seconds above 0")


def check_query(
    text: str | None,
    image: object | None,
    sound: object | None,
    limit: int,
    image_weight: float = 0.5,
    kind: str | None = None,
) -> None:
    """Refuse a query that no index could answer.

    Raises:
        InputError: There is no text, picture or sound, the text is empty, or a number or a kind can't be.
    """
    if text is None and image is None and sound is None:
        raise InputError("There is nothing to search for", "Give a text, a picture or a recording, or several of them")
    if text is not None and not text.strip():
        raise InputError("The text to search for is empty", "Write what you are looking for")
    if limit < 1:
        raise InputError(f"A search can't return {limit} matches", "Ask for at least 1")
    if not 0 <= image_weight <= 1:
        raise InputError(f"image_weight can't be {image_weight}", "Give a number from 0 to 1")
    if kind is not None and kind not in _KINDS:
        raise InputError(f"There is no kind {kind!r} of match", f"Choose {' or '.join(map(repr, _KINDS))}")
