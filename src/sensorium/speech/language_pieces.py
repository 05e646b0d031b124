"""Windows in pieces of about four seconds, and which language is likely in each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium.speech.recogniser import Encoded, LanguageListener
    from sensorium.speech.voice_activity import Window

_SAMPLE_RATE = 16_000
LONGEST_PIECE = 6.0
"""In seconds."""
_PIECE = 4.0
_SHORTEST_PIECE = 1.5
"""What is shorter is heard together with its neighbour, in seconds."""
_QUIET = 0.1
"""How long a quiet place is, in seconds."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a window.

    Attributes:
        start: In seconds from the beginning of the window.
        end: In seconds from the beginning of the window.
        after_pause: Whether nobody speaks just before it.
        likely: How likely each language is in it.
    """

    start: float
    end: float
    after_pause: bool
    likely: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True)
class Heard:
    """A window, and what the encoder's output tells of the languages in it.

    Attributes:
        window: The window.
        number: Its number among those that were encoded together.
        encoded: What was encoded together.
        likely: How likely each language is in all of it.
        pieces: From its beginning to its end.
    """

    window: Window
    number: int
    encoded: Encoded
    likely: Mapping[str, float]
    pieces: tuple[Piece, ...]


def hear(backend: LanguageListener, encoded: Encoded, windows: Mapping[int, Window]) -> list[Heard]:
    """Find out which languages are likely in windows that are encoded already.

    Args:
        backend: That has encoded them.
        encoded: All windows that were encoded together.
        windows: Those of interest, by their numbers.
    """
    likely = backend.language_probabilities(encoded)
    pieces = {number: _pieces(window) for number, window in windows.items()}
    places = [(number, piece.start, piece.end) for number, each in pieces.items() for piece in each]
    found = iter(backend.piece_language_probabilities(encoded, places))
    return [
        Heard(
            windows[number],
            number,
            encoded,
            likely[number],
            tuple(replace(piece, likely=next(found)) for piece in each),
        )
        for number, each in pieces.items()
    ]


def together(pieces: Sequence[Piece]) -> dict[str, float]:
    """Return how likely each language is over some pieces, by their lengths."""
    total = sum(piece.seconds for piece in pieces)
    return {code: sum(each.likely[code] * each.seconds for each in pieces) / total for code in pieces[0].likely}


def quiet_places(window: Window, start: float, end: float, *, most: int = 6) -> list[float]:
    """Return the quietest places of a stretch, in seconds from the beginning of its window; none if it is very short.

    Args:
        window: The window.
        start: Where the stretch begins, in seconds from the beginning of the window.
        end: Where it ends.
        most: How many at most.
    """
    import numpy as np

    step = round(_QUIET * _SAMPLE_RATE)
    first = round(start * _SAMPLE_RATE)
    blocks = window.samples[first : round(end * _SAMPLE_RATE)]
    loudness = np.square(blocks[: len(blocks) // step * step].reshape(-1, step)).mean(axis=1)
    edge = round(0.5 / _QUIET)
    inside = [at for at in range(edge, len(loudness) - edge) if loudness[at] <= min(loudness[at - 1], loudness[at + 1])]
    quietest = sorted(inside, key=lambda at: float(loudness[at]))[:most]
    return [start + (at + 0.5) * _QUIET for at in sorted(quietest)]


def _pieces(window: Window) -> tuple[Piece, ...]:
    """Cut a window at its pauses, and what is too long then into equal parts."""
    pauses = [(since + until) / 2 for since, until in window.silences[1:-1]]
    edges = [0.0, *pauses, window.seconds]
    stretches = _joined(pairwise(edges))
    return tuple(piece for start, end in stretches for piece in _equal_parts(start, end))


def _joined(stretches: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join a short stretch with the one before it, or a short first one with the next, if both fit into a piece."""
    joined: list[tuple[float, float]] = []
    for start, end in stretches:
        before = joined[-1] if joined else (-math.inf, math.inf)
        short = min(end - start, before[1] - before[0]) < _SHORTEST_PIECE
        if short and end - before[0] <= LONGEST_PIECE:
            joined[-1] = before[0], end
        else:
            joined.append((start, end))
    return joined


def _equal_parts(start: float, end: float) -> Iterator[Piece]:
    count = max(1, round((end - start) / _PIECE))
    length = (end - start) / count
    for number in range(count):
        yield Piece(start + number * length, start + (number + 1) * length, number == 0)
