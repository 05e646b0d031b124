"""Which language is spoken where: in whole windows, or in parts of them where it changes.

A window is heard in pieces: the encoder's output is there already, since the text is decoded from it, so that this
costs little. Where the pieces of a window don't agree, each is encoded by itself, because the encoder spreads a
language over its neighbours. Then the likeliest course of languages is sought in which a change must be worth its price
(Viterbi's algorithm): a foreign word, a name or an accent changes nothing, a sentence does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from sensorium.errors import UnsupportedError
from sensorium.speech.language_pieces import LONGEST_PIECE, Heard, Piece, quiet_places, together
from sensorium.speech.recogniser import LanguageListener
from sensorium.speech.unsure_languages import UnsureLanguages

if TYPE_CHECKING:
    from sensorium.speech.recogniser import Recogniser
    from sensorium.speech.voice_activity import Window

_FULL_WEIGHT = 3.0
"""A piece that is shorter, in seconds, counts less: its language is mistaken more often."""
_AGREEING = 0.5
"""The pieces of a window agree if each is at least this sure of one language."""
_LEAST = 0.01
"""No piece speaks more against a language than by this probability."""
_CHANGE = 2.0
"""The price of a change where somebody pauses: a passage must be e⁴ times as likely in its own language as in the one
around it."""
_CHANGE_WITHOUT_PAUSE = 3.0
_SIDE = 3.0
"""How much is heard on either side of a place where the language may change, in seconds."""


@dataclass(frozen=True)
class Passage:
    """A window, or a part of one, in which one language is spoken.

    Attributes:
        window: The window or the part.
        language: Code of the language.
        probability: How sure that is, from 0 to 1.
        number: Of the window among those that were encoded together; None for a part of one.
    """

    window: Window
    language: str
    probability: float
    number: int | None


class SpokenLanguages:
    """Follows the languages through one recording, batch by batch.

    Args:
        backend: The recogniser.
        among: Codes of the languages that may be spoken; any if empty.
        model: Name of the checkpoint, for errors.
    """

    def __init__(self, backend: Recogniser, among: Sequence[str], model: str) -> None:
        self._backend = backend
        self._among = among
        self._model = model
        self._latest = ""
        self._spoken: dict[str, list[tuple[float, float]]] = {}
        self._unsure = UnsureLanguages()

    def named(self, windows: Sequence[Window], language: str) -> list[Passage]:
        """Return windows as passages in the language that the caller has named."""
        return [Passage(window, language, 1.0, number) for number, window in enumerate(windows)]

    def unknown(self, windows: Sequence[Window]) -> list[Passage]:
        """Return windows as passages in a language that nobody knows before they are recognised."""
        return [Passage(window, "", 0.0, number) for number, window in enumerate(windows)]

    def told(self, passage: Passage, language: str) -> Passage:
        """Return a passage in the language that the recogniser says it is in, unless it was known before.

        Args:
            passage: From `named`, `followed` or `unknown`.
            language: Code of the language; "" where the recogniser doesn't say it.
        """
        if passage.language:
            return passage
        return replace(passage, language=language, probability=1.0 if language else 0.0)

    def followed(self, heard: Sequence[Heard]) -> list[Passage]:
        """Return windows as passages, cut where the language has surely changed.

        Args:
            heard: The next windows of the recording.

        Raises:
            UnsupportedError: The checkpoint knows none of the languages that may be spoken.
        """
        windows = [self._heard_closely(self._restricted(each)) for each in heard]
        codes = course([piece for each in windows for piece in each.pieces], self._latest or _likeliest(windows))
        self._latest = codes[-1]
        languages = iter(codes)
        passages: list[Passage] = []
        for each in windows:
            spoken = [next(languages) for _ in each.pieces]
            self._unsure.judge(each, spoken)
            passages += self._passages(each, spoken)
        return passages

    def spoken(self, passage: Passage) -> None:
        """Take note that somebody speaks in a passage."""
        self._spoken.setdefault(passage.language, []).append((passage.window.seconds, passage.probability))

    def not_spoken(self, passage: Passage) -> None:
        """Take note that nobody speaks in a passage: then there is no doubt about its language."""
        self._unsure.forget(*passage.window.speech)

    def main(self) -> tuple[str, float]:
        """Return the language that is spoken most, and how sure that is; "" and 0 if nobody speaks."""
        if not self._spoken:
            return "", 0.0
        seconds = {code: sum(length for length, _ in parts) for code, parts in self._spoken.items()}
        language = max(seconds, key=seconds.__getitem__)
        return language, sum(length * sure for length, sure in self._spoken[language]) / seconds[language]

    def unsure(self) -> str | None:
        """Return a sentence about where the language isn't sure; None if it is sure everywhere."""
        return self._unsure.sentence()

    @property
    def _listener(self) -> LanguageListener:
        assert isinstance(self._backend, LanguageListener)  # whose windows else would have been heard?
        return self._backend

    def _restricted(self, heard: Heard) -> Heard:
        pieces = tuple(replace(piece, likely=self._possible(piece.likely)) for piece in heard.pieces)
        return replace(heard, likely=self._possible(heard.likely), pieces=pieces)

    def _possible(self, likely: Mapping[str, float]) -> Mapping[str, float]:
        """Return how likely each of the languages is that may be spoken, given that it is one of them."""
        if not self._among:
            return likely
        found = {code: probability for code, probability in likely.items() if code in self._among}
        if not found:
            raise UnsupportedError(
                f"The checkpoint {self._model!r} knows none of the languages {', '.join(self._among)}", "Leave them out"
            )
        total = sum(found.values()) or 1.0
        return {code: probability / total for code, probability in found.items()}

    def _heard_closely(self, heard: Heard) -> Heard:
        """Hear each piece of a window by itself if they don't agree."""
        if len(heard.pieces) == 1 or _agree(heard.pieces):
            return heard
        parts = [heard.window.part(piece.start, piece.end).samples for piece in heard.pieces]
        likely = self._listener.language_probabilities(self._listener.encode(parts, longest=LONGEST_PIECE))
        pieces = zip(heard.pieces, map(self._possible, likely), strict=True)
        return replace(heard, pieces=tuple(replace(piece, likely=found) for piece, found in pieces))

    def _passages(self, heard: Heard, spoken: Sequence[str]) -> Iterator[Passage]:
        if len(set(spoken)) == 1:
            yield Passage(heard.window, spoken[0], heard.likely[spoken[0]], heard.number)
            return
        start = 0.0
        for language, group in groupby(range(len(spoken)), key=spoken.__getitem__):
            numbers = list(group)
            last = numbers[-1]
            goes_on = last + 1 < len(spoken)
            end = self._place_of_change(heard, last, spoken) if goes_on else heard.window.seconds
            likely = together([heard.pieces[number] for number in numbers])
            yield Passage(heard.window.part(start, end), language, likely[language], None)
            start = end

    def _place_of_change(self, heard: Heard, number: int, spoken: Sequence[str]) -> float:
        """Return where the language of a piece ends and that of the next begins."""
        (first, second), (before, after) = heard.pieces[number : number + 2], spoken[number : number + 2]
        places = [] if second.after_pause else quiet_places(heard.window, first.start, second.end)
        if not places:
            return first.end
        sides = [(heard.number, max(0.0, place - _SIDE), place) for place in places]
        sides += [(heard.number, place, min(heard.window.seconds, place + _SIDE)) for place in places]
        likely = self._listener.piece_language_probabilities(heard.encoded, sides)
        sureness = [
            _log(left, before) + _log(right, after)
            for left, right in zip(likely[: len(places)], likely[len(places) :], strict=True)
        ]
        return places[sureness.index(max(sureness))]


def _agree(pieces: Sequence[Piece]) -> bool:
    likely = together(pieces)
    language = max(likely, key=likely.__getitem__)
    return all(piece.likely[language] >= _AGREEING for piece in pieces)


def _likeliest(windows: Sequence[Heard]) -> str:
    """Return the language that is the likeliest one over some windows, by their lengths."""
    return max(windows[0].likely, key=lambda code: sum(each.likely[code] * each.window.seconds for each in windows))


def _log(likely: Mapping[str, float], language: str) -> float:
    return math.log(max(likely[language], _LEAST))


def course(pieces: Sequence[Piece], usual: str) -> list[str]:
    """Return the likeliest language of each piece, where changes have a price.

    Args:
        pieces: In the order of time.
        usual: The language before the first; to end in another one has the price of a change too, so that the last
            piece needs to be as sure of it as one amid others.
    """
    languages = list(pieces[0].likely)
    scores = {code: 0.0 if code == usual else -_CHANGE for code in languages}
    came_from: list[dict[str, str]] = []
    for number, piece in enumerate(pieces):
        best = max(languages, key=scores.__getitem__)
        changed = scores[best] - (_CHANGE if piece.after_pause else _CHANGE_WITHOUT_PAUSE)
        came_from.append({code: best if number and changed > scores[code] else code for code in languages})
        weight = min(1.0, piece.seconds / _FULL_WEIGHT)
        scores = {
            code: (max(scores[code], changed) if number else scores[code]) + weight * _log(piece.likely, code)
            for code in languages
        }
    codes = [max(languages, key=lambda code: scores[code] - (0.0 if code == usual else _CHANGE))]
    for origins in reversed(came_from[1:]):
        codes.append(origins[codes[-1]])
    return codes[::-1]
