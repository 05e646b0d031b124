"""Where it isn't sure which language is spoken, and how to say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from sensorium.speech.language_pieces import Heard, Piece, together
from sensorium.text.languages import LANGUAGES
from sensorium.text.stretches import listed, stretch

_SURE = 0.5
"""A language that is less probable isn't sure."""
_OVERRULED = 0.05
_OVERRULING = 0.8
"""A piece is told of if its language is less probable than the one, and another more probable than the other."""
_SAME_PLACE = 2.0
"""Unsure stretches that are nearer to each other, in seconds, are one."""


@dataclass(frozen=True)
class _Doubt:
    """A stretch of a recording whose language isn't sure.

    Attributes:
        start: In seconds.
        end: In seconds.
        taken: Code of the language that it is taken for.
        other: Code of the language that is as likely.
    """

    start: float
    end: float
    taken: str
    other: str


class UnsureLanguages:
    """Gathers the places of a recording where its language isn't sure."""

    def __init__(self) -> None:
        self._doubts: list[_Doubt] = []

    def judge(self, heard: Heard, spoken: Sequence[str]) -> None:
        """Look for such places in a window.

        Args:
            heard: The window.
            spoken: What each of its pieces is taken for.
        """
        changes = len(set(spoken)) > 1
        for language, group in groupby(range(len(spoken)), key=spoken.__getitem__):
            pieces = [heard.pieces[number] for number in group]
            likely = together(pieces) if changes else heard.likely
            if likely[language] < _SURE:
                self._add(heard, pieces, language, likely)
                continue
            for piece in pieces:
                if piece.likely[language] < _OVERRULED and max(piece.likely.values()) > _OVERRULING:
                    self._add(heard, [piece], language, piece.likely)

    def forget(self, start: float, end: float) -> None:
        """Leave out what was found in a stretch, given in seconds."""
        self._doubts = [doubt for doubt in self._doubts if not start < (doubt.start + doubt.end) / 2 < end]

    def sentence(self) -> str | None:
        """Return what there is to say about them; None if there are none."""
        if not self._doubts:
            return None
        places = [
            f"{stretch(doubt.start, doubt.end)} (taken for {_name(doubt.taken)}, may be {_name(doubt.other)})"
            for doubt in self._doubts
        ]
        return f"It isn't sure which language is spoken {listed(places)}; name it if you know it"

    def _add(self, heard: Heard, pieces: Sequence[Piece], taken: str, likely: Mapping[str, float]) -> None:
        start, end = (
            heard.window.times(pieces[0].start, pieces[0].start)[0],
            heard.window.times(*[pieces[-1].end] * 2)[1],
        )
        other = max((code for code in likely if code != taken), key=likely.__getitem__, default=taken)
        last = self._doubts[-1] if self._doubts else None
        if last is not None and last.taken == taken and start - last.end < _SAME_PLACE:
            self._doubts[-1] = replace(last, end=end)
        else:
            self._doubts.append(_Doubt(start, end, taken, other))


def _name(code: str) -> str:
    return LANGUAGES.get(code, code)
