"""Laying out cues for reading: line lengths, reading speed, breaks at phrases, nothing over silence.

Where it is known who speaks, a line is one speaker's. Two who speak in one cue get a line each, with a dash before it.

The limits are those of the large streaming services' style guides for subtitles: two lines of at most 42 characters,
at most 20 characters a second, one to seven seconds a cue. In Chinese, Japanese and Korean, whose characters say more,
a line has at most 16 characters and a second at most 9.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sensorium.media.subtitle_pieces import Piece, SpokenText, fit_pieces, spoken_pieces, with_names
from sensorium.record import Record
from sensorium.text.characters import written_length
from sensorium.text.phrase_breaks import (
    FORBIDDEN,
    break_cost,
    ends_sentence,
    is_east_asian,
    is_hangul,
)

MAX_LINES = 2
MIN_DURATION = 1.0
MAX_DURATION = 7.0
MAX_LINGER = 1.0
"""How long a cue may stay after its last word, to be readable, in seconds."""
MAX_PAUSE = 1.0
"""A silence inside a cue may not be longer, in seconds."""
MIN_GAP = 0.083
"""Two frames of film between two cues, so that the eye sees the change."""
CLOSED_GAP = 0.5
"""A gap between two cues that is shorter flickers; it is closed to `MIN_GAP`."""

# What the search weighs: a cue more, a break at its end, and what makes it hard to read.
_CUE = 6.0
_BREAK = 1.5
_CROSSED_SENTENCE = 10.0
_IMBALANCE = 4.0
_ORPHAN = 6.0
_TOO_SHORT = 30.0
_TOO_FAST = 4.0
_TWO_SPEAKERS = 7.0  # A little more than a cue: two cues are better, if both can be read in time.

_DASH = "- "


@dataclass(frozen=True, eq=False, repr=False)
class Cue(Record):
    """One subtitle as it stands on the screen.

    Attributes:
        start: When it appears, in seconds.
        end: When it goes, in seconds.
        text: Its lines, joined by newlines.
        language: Code of its language; "" if unknown.
        speakers: Who speaks: one for all lines, or one for each; none if unknown.
    """

    start: float
    end: float
    text: str
    language: str = ""
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class ReadingSpeed(Record):
    """How fast a cue must be read.

    Attributes:
        characters_per_second: What it takes; infinite where it lasts no time.
        readable: What can be read in its script.
    """

    characters_per_second: float
    readable: float


@dataclass(frozen=True)
class _Measures:
    """The limits for one script."""

    line_length: int
    characters_per_second: float


_LATIN = _Measures(line_length=42, characters_per_second=20.0)
_EAST_ASIAN = _Measures(line_length=16, characters_per_second=9.0)


def layout_cues(segments: Iterable[SpokenText], *, language: str = "", names: bool = False) -> list[Cue]:
    """Lay out a transcription as subtitles that people can read.

    Word times are used where segments have them; else a segment's time is shared among its words by length.

    Args:
        segments: In the order of time.
        language: Code of the language of segments that don't tell theirs, which makes breaks at phrases better; "" if
            unknown.
        names: Whether whoever begins to speak is named in the text, where that is known.

    Returns:
        Cues in the order of time that don't overlap; none holds two languages.
    """
    cues: list[Cue] = []
    spoke = ""
    for run in _runs(spoken_pieces(segments)):
        measures = _measures(run)
        said = with_names(run, measures.line_length - len(_DASH), before=spoke) if names else run
        cues += _layout_run(fit_pieces(said, measures.line_length), measures, run[0].language or language)
        spoke = run[-1].speaker
    return _retime(cues)


def reading_speed(cue: Cue) -> ReadingSpeed:
    """Return how fast a cue must be read, and how fast it can be."""
    length, lasts = len(" ".join(cue.text.split())), cue.end - cue.start
    needed = length / lasts if lasts > 0 else math.inf
    return ReadingSpeed(needed, _measures([Piece(cue.text, 0.0, 0.0, False)]).characters_per_second)


def _runs(pieces: list[Piece]) -> list[list[Piece]]:
    """Cut where a cue must end anyway: at long silences, where the language changes, or the script with a sentence."""
    runs: list[list[Piece]] = []
    for piece in pieces:
        previous = runs[-1][-1] if runs else piece
        silence = piece.start - previous.end > MAX_PAUSE
        speaks = any(map(str.isalnum, piece.text))  # a closing mark alone belongs to no script
        other_script = speaks and ends_sentence(previous.text) and _measures([previous]) != _measures([piece])
        if not runs or silence or other_script or piece.language != previous.language:
            runs.append([piece])
        else:
            runs[-1].append(piece)
    return runs


def _measures(pieces: list[Piece]) -> _Measures:
    characters = [character for piece in pieces for character in piece.text]
    wide = sum(is_east_asian(character) or is_hangul(character) for character in characters)
    return _EAST_ASIAN if wide * 3 > sum(map(str.isalnum, characters)) else _LATIN


class _Run:
    """Pieces with their lengths and break costs ready for the search."""

    def __init__(self, pieces: list[Piece], measures: _Measures, language: str) -> None:
        self.pieces = pieces
        self.measures = measures
        self.offsets = [0]
        for piece in pieces:
            self.offsets.append(self.offsets[-1] + written_length(piece.text) + piece.space)
        self.breaks = [self._break_before(number, language) for number in range(len(pieces))] + [0.0]
        ends = [ends_sentence(piece.text) for piece in pieces]
        self.sentence_ends = [0]
        for number in range(len(pieces)):
            # The count of sentences that end before a piece, so that a difference tells those between two.
            ended = ends[number] and self.breaks[number + 1] != FORBIDDEN
            self.sentence_ends.append(self.sentence_ends[-1] + ended)
        self.changes = [
            number for number in range(1, len(pieces)) if pieces[number].speaker != pieces[number - 1].speaker
        ]

    def _break_before(self, number: int, language: str) -> float:
        if number == 0:
            return 0.0
        before, after = self.pieces[number - 1], self.pieces[number]
        if before.speaker != after.speaker:
            return 0.0
        pause = after.start - before.end
        cost = break_cost(before.text, after.text, space=after.space, pause=pause, language=language)
        return min(10.0, cost + 3.0) if after.inside_word and 1.0 < cost < FORBIDDEN else cost

    def length(self, first: int, stop: int) -> int:
        return self.offsets[stop] - self.offsets[first] - self.pieces[first].space

    def text(self, first: int, stop: int) -> str:
        parts = ((" " if piece.space else "") + piece.text for piece in self.pieces[first:stop])
        return "".join(parts).strip()

    def split(self, first: int, stop: int) -> tuple[float, int]:
        """Find the best place for a line break; return its cost and place, the place 0 for a single line."""
        if changes := self.changes[bisect_right(self.changes, first) : bisect_left(self.changes, stop)]:
            return self._between_speakers(first, stop, changes)
        if self.length(first, stop) <= self.measures.line_length:
            return 0.0, 0
        best = (math.inf, 0)
        earliest = bisect_left(self.offsets, self.offsets[stop] - self.measures.line_length - 1, first + 1, stop)
        for place in range(earliest, stop):
            upper, lower = self.length(first, place), self.length(place, stop)
            if upper > self.measures.line_length:
                break
            if lower > self.measures.line_length or self.breaks[place] == FORBIDDEN:
                continue
            difference = abs(upper - lower) / self.measures.line_length
            cost = self.breaks[place] + _IMBALANCE * difference + (0.5 if upper > lower else 0.0)
            if min(place - first, stop - place) == 1 and difference > 0.5:
                cost += _ORPHAN
            best = min(best, (cost, place))
        return best

    def _between_speakers(self, first: int, stop: int, changes: list[int]) -> tuple[float, int]:
        place, room = changes[0], self.measures.line_length - len(_DASH)
        fits = len(changes) == 1 and self.length(first, place) <= room and self.length(place, stop) <= room
        return (_TWO_SPEAKERS, place) if fits else (math.inf, 0)

    def cue(self, first: int, stop: int, language: str) -> Cue:
        """Return the cue of some pieces."""
        _, place = self.split(first, stop)
        lines = [self.text(first, place), self.text(place, stop)] if place else [self.text(first, stop)]
        speakers = [self.pieces[first].speaker, self.pieces[stop - 1].speaker]
        if speakers[0] != speakers[1] and place:
            lines = [_DASH + line for line in lines]
        else:
            speakers = [name for name in speakers[:1] if name]
        start, end = self.pieces[first].start, self.pieces[stop - 1].end
        return Cue(start, end, "\n".join(lines), language, tuple(speakers))

    def cost(self, first: int, stop: int) -> float:
        """Return how bad a cue of these pieces is; infinite if it breaks a rule that must hold."""
        pieces = self.pieces
        start = pieces[first].start
        spoken = pieces[stop - 1].end - start
        if (spoken > MAX_DURATION and stop - first > 1) or self.breaks[stop] == FORBIDDEN:
            return math.inf
        if stop < len(pieces) and MIN_GAP < pieces[stop].start - start - MAX_DURATION < CLOSED_GAP:
            # A gap would flicker that can't be closed, because the cue would stay too long.
            return math.inf
        split, _ = self.split(first, stop)
        if split == math.inf:
            return math.inf
        cost = _CUE + split + _BREAK * self.breaks[stop]
        if stop < len(pieces):
            available = min(pieces[stop].start - MIN_GAP, pieces[stop - 1].end + MAX_LINGER) - start
        else:
            available = spoken + MAX_LINGER
        if available < MIN_DURATION:
            cost += _TOO_SHORT * (1.0 + MIN_DURATION - available)
        needed = self.length(first, stop) / self.measures.characters_per_second
        if available < needed:
            cost += _TOO_FAST * (1.0 + 5.0 * (needed - available))
        if self.sentence_ends[stop - 1] > self.sentence_ends[first] and self.breaks[stop] > 0.0:
            cost += _CROSSED_SENTENCE
        if stop - first == 1 and len(pieces) > 1 and not ends_sentence(pieces[first].text):
            cost += _ORPHAN
        return cost


def _layout_run(pieces: list[Piece], measures: _Measures, language: str) -> list[Cue]:
    """Find the cheapest way to cut a run into cues (dynamic programming over places to cut)."""
    run = _Run(pieces, measures, language)
    longest = MAX_LINES * measures.line_length + 1
    best: list[tuple[float, int]] = [(0.0, 0)]
    for stop in range(1, len(pieces) + 1):
        cheapest = (math.inf, stop - 1)
        for first in range(stop - 1, -1, -1):
            if run.length(first, stop) > longest:
                break
            if best[first][0] + _CUE + _BREAK * run.breaks[stop] < cheapest[0]:
                cheapest = min(cheapest, (best[first][0] + run.cost(first, stop), first))
        best.append(cheapest)
    cues: list[Cue] = []
    stop = len(pieces)
    while stop > 0:
        first = best[stop][1]
        cues.append(run.cue(first, stop, language))
        stop = first
    return cues[::-1]


def _retime(cues: list[Cue]) -> list[Cue]:
    """Let cues stay long enough to be read, close small gaps, keep a minimum gap, never overlap."""
    starts: list[float] = []
    for cue in cues:
        # Only words that follow each other impossibly fast are ever delayed here.
        earliest = starts[-1] + MIN_DURATION + MIN_GAP if starts else 0.0
        starts.append(max(cue.start, earliest))
    timed: list[Cue] = []
    for cue, start, following in zip(cues, starts, [*starts, math.inf][1:], strict=True):
        speed = _measures([Piece(cue.text, 0.0, 0.0, False)]).characters_per_second
        wanted = max(MIN_DURATION, written_length(cue.text) / speed)
        end = max(cue.end, start + MIN_DURATION, min(start + wanted, cue.end + MAX_LINGER))
        if following - end < CLOSED_GAP:
            end = following - MIN_GAP
        timed.append(replace(cue, start=start, end=min(end, start + MAX_DURATION)))
    return timed
