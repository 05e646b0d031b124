"""Who says which words: the turns of speakers held against the times of words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, groupby

from sensorium.speech.speaker_turns import SpeakerTurn
from sensorium.speech.transcription import Segment

_AS_LONG = 0.001
"""Seconds. Who speaks so much less of a word than another speaks as long."""
_SHORTEST_WORD = 0.01


class SpokenBy:
    """Tells who says what. A word is said by whoever speaks longest during it.

    If that is several people, it is whoever of them said the word before; if it is nobody, it is whoever speaks soonest
    before or after it.

    Args:
        turns: In the order in which they begin.
    """

    def __init__(self, turns: Sequence[SpeakerTurn]) -> None:
        self._turns = turns
        self._starts = [turn.start for turn in turns]
        # Which of the turns up to each one ends last: those before it that end earlier needn't be looked at.
        self._latest: list[SpeakerTurn] = list(accumulate(turns, _later))
        self._before = ""

    def told(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield the segments with their speakers, cut where the speaker changes."""
        for segment in segments:
            words = []
            for word in segment.words:
                self._before = self._speaker(word.start, word.end)
                words.append(replace(word, speaker=self._before))
            if not words:
                self._before = self._speaker(segment.start, segment.end)
            runs = [tuple(run) for _, run in groupby(words, key=lambda word: word.speaker)]
            if len(runs) < 2:
                yield replace(segment, words=tuple(words), speaker=self._before)
                continue
            for run in runs:
                text = "".join(word.text for word in run).strip()
                said = replace(segment, text=text, words=run, speaker=run[0].speaker)
                yield replace(said, start=run[0].start, end=run[-1].end)

    def _speaker(self, start: float, end: float) -> str:
        end = max(end, start + _SHORTEST_WORD)
        spoken: dict[str, float] = {}
        following = bisect_left(self._starts, end)
        for number in range(following - 1, -1, -1):
            if self._latest[number].end <= start:
                break
            turn = self._turns[number]
            if turn.end > start:
                lasts = min(turn.end, end) - max(turn.start, start)
                spoken[turn.speaker] = spoken.get(turn.speaker, 0.0) + lasts
        if not spoken:
            return self._nearest(following, start, end)
        longest = max(spoken.values())
        likely = [speaker for speaker, lasts in spoken.items() if lasts >= longest - _AS_LONG]
        return self._before if self._before in likely else likely[-1]

    def _nearest(self, following: int, start: float, end: float) -> str:
        """Return who speaks soonest before or after a time at which nobody does."""
        around = []
        if following:
            last = self._latest[following - 1]
            around.append((start - last.end, last.speaker))
        if following < len(self._turns):
            after = self._turns[following]
            around.append((after.start - end, after.speaker))
        return min(around, default=(0.0, ""))[1]


def _later(one: SpeakerTurn, other: SpeakerTurn) -> SpeakerTurn:
    return one if one.end > other.end else other
