"""The recordings of a conversation, as models that see and hear take them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sensorium.language.messages import MediaPart, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

_SHORTEST = 1600
"""A tenth of a second."""


def recordings_of(turns: Sequence[Turn]) -> list[Samples]:
    """Return the recordings of a conversation in their order."""
    return [part.source for turn in turns for part in turn.media if part.kind == "audio"]


def in_pieces(turns: Sequence[Turn], processor: Any) -> list[Turn]:
    """Return a conversation whose recordings are no longer than a processor takes: a longer one is several in a row.

    Without that the processor would cut off what is too long, and say nothing.
    """
    longest = longest_recording(processor)
    return [
        replace(turn, parts=tuple(piece for part in turn.parts for piece in _pieces(part, longest))) for turn in turns
    ]


def pieces_of(samples: Samples, longest: int | None) -> list[Samples]:
    """Return a recording as pieces of at most so many samples; as one where there is no limit.

    Silence follows a piece that is too short for a model to hear anything in it.
    """
    import numpy as np

    step = longest or max(1, len(samples))
    pieces = [samples[start : start + step] for start in range(0, max(1, len(samples)), step)]
    return [np.pad(piece, (0, max(0, _SHORTEST - len(piece)))) for piece in pieces]


def longest_recording(processor: Any) -> int | None:
    """Return how many samples a processor takes at once; None for any number, or where it takes no sound."""
    extractor = getattr(processor, "feature_extractor", None)
    if extractor is None or getattr(processor, "audio_kwargs", {}).get("truncation") is False:
        return None
    limit = inspect.signature(type(extractor).__call__).parameters.get("max_length")
    longest = limit.default if limit is not None else None
    return longest or getattr(extractor, "n_samples", None)


def _pieces(part: Any, longest: int | None) -> list[Any]:
    if not isinstance(part, MediaPart) or part.kind != "audio":
        return [part]
    return [MediaPart("audio", piece) for piece in pieces_of(part.source, longest)]
