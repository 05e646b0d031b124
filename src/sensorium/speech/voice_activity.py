"""Where somebody speaks: Silero VAD over a stream of samples, packed into windows for a recogniser.

Silence never reaches the recogniser, because recognisers invent words over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sensorium.media.voice_detector import FRAME, SAMPLE_RATE, VoiceDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

_SPEECH = 0.5
"""A voice begins where the detector is this sure …"""
_SILENCE = 0.35
"""… and ends where it stays under this."""
_MIN_SILENCE = int(0.3 * SAMPLE_RATE)
_MIN_SPEECH = int(0.1 * SAMPLE_RATE)
_PADDING = int(0.25 * SAMPLE_RATE)
"""Kept around speech: consonants at the edges are quiet."""
_ONSET = 0.1
"""How much earlier than the detector is sure of it a voice begins, in seconds: 0.17 on average of 13 recordings."""
_LOUD = 0.5
"""How high the loudest sample is made, of at most 1, before a window is judged …"""
_SILENT = 1e-4
"""… unless all of it is under this."""
_NOBODY = 2**62
_KEPT_SILENCE = int(1.0 * SAMPLE_RATE)
"""Pauses up to this long stay in a window as they are; longer ones are cut out."""


@dataclass(frozen=True)
class Span:
    """A stretch of a recording inside a window.

    Attributes:
        start: Its first sample in the recording.
        stop: One past its last sample in the recording.
        offset: Its first sample in the window.
    """

    start: int
    stop: int
    offset: int


@dataclass(frozen=True)
class Window:
    """Speech for one run of the recogniser, with long silences cut out.

    Attributes:
        samples: float32 mono at 16 kHz.
        spans: Where the samples come from, in order.
        silences: Where nobody speaks inside it: pairs of seconds from its beginning.
    """

    samples: Samples
    spans: tuple[Span, ...]
    silences: tuple[tuple[float, float], ...] = ()

    @property
    def end(self) -> float:
        """Where it ends in the recording, in seconds."""
        return self.spans[-1].stop / SAMPLE_RATE

    @property
    def speech(self) -> tuple[float, float]:
        """Where somebody speaks first and last in it, in seconds of the recording."""
        length = len(self.samples) / SAMPLE_RATE
        first = max(0.0, self.silences[0][1] - _ONSET) if self.silences else 0.0
        last = self.silences[-1][0] if self.silences else length
        return self.times(first, first)[0], self.times(last, last)[1]

    @property
    def longest_pause(self) -> float:
        """The longest silence between what is spoken in it, in seconds of the recording."""
        pauses = [end - start for start, end in self.silences[1:-1]]
        cut_out = [(after.start - before.stop) / SAMPLE_RATE for before, after in pairwise(self.spans)]
        return max([*pauses, *cut_out], default=0.0)

    @property
    def seconds(self) -> float:
        """How long it is, without the silences that were cut out."""
        return len(self.samples) / SAMPLE_RATE

    def part(self, start: float, end: float) -> Window:
        """Return what lies between two places, given in seconds from the beginning of the window."""
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        spans = []
        for span in self.spans:
            begin = max(first, span.offset)
            stop = min(last, span.offset + span.stop - span.start)
            if begin < stop:
                shift = span.start - span.offset
                spans.append(Span(begin + shift, stop + shift, begin - first))
        length = (last - first) / SAMPLE_RATE
        silences = [(max(0.0, since - start), min(length, until - start)) for since, until in self.silences]
        inside = [(since, until) for since, until in silences if since < until]
        # The first and the last silence say where the speech begins and ends, even if they last no time.
        if not inside or inside[0][0] > 0.0:
            inside.insert(0, (0.0, 0.0))
        if inside[-1][1] < length:
            inside.append((length, length))
        return Window(self.samples[first:last], tuple(spans), tuple(inside))

    def times(self, start: float, end: float) -> tuple[float, float]:
        """Turn times in the window into times in the recording; both ends stay in one span.

        Args:
            start: In seconds from the beginning of the window.
            end: In seconds from the beginning of the window, not before ``start``.
        """
        middle = (start + end) / 2 * SAMPLE_RATE
        span = next((span for span in reversed(self.spans) if span.offset <= middle), self.spans[0])
        shift = (span.start - span.offset) / SAMPLE_RATE
        first, last = span.start / SAMPLE_RATE, span.stop / SAMPLE_RATE
        return min(max(start + shift, first), last), min(max(end + shift, first), last)


def speech_windows(blocks: Iterable[Samples], *, longest: float) -> Iterator[Window]:
    """Find the speech in a stream of samples and pack it into windows.

    Windows end at the longest pause in their second half, so that sentences stay whole where they can.

    Args:
        blocks: float32 mono at 16 kHz, of any lengths.
        longest: Length of a window at most, in seconds.

    Yields:
        Windows in the order of time; none where nobody speaks. Memory stays flat however long the stream is.
    """
    limit = int(longest * SAMPLE_RATE)
    waiting: list[_Region] = []
    for region in _regions(blocks, limit):
        while waiting and sum(len(held.samples) for held in waiting) + len(region.samples) > limit:
            count = _best_cut([*waiting, region], limit)
            yield _window(waiting[:count])
            waiting = waiting[count:]
        waiting.append(region)
    if waiting:
        yield _window(waiting)


@dataclass(frozen=True)
class Voice:
    """How likely somebody speaks where there is no silence in a window.

    Attributes:
        mean: Over its frames of 32 ms, from 0 to 1.
        peak: In the frame that is most like speech.
    """

    mean: float
    peak: float


def voice_in(window: Window) -> Voice:
    """Return how likely somebody speaks in a window.

    It is heard without what came before it in the recording, so that a sound isn't taken for speech because somebody
    has just spoken; and as loud as any other, because the detector is less sure of a quiet voice.
    """
    loudest = max(float(np.abs(window.samples).max()), _SILENT)
    samples = np.pad(window.samples * (_LOUD / loudest), (0, -len(window.samples) % FRAME)).astype(np.float32)
    found = VoiceDetector().probabilities(samples)
    middles = (np.arange(len(found)) + 0.5) * FRAME / SAMPLE_RATE
    silent = np.zeros(len(found), bool)
    for since, until in window.silences:
        silent |= (since <= middles) & (middles < until)
    heard = found if silent.all() else found[~silent]
    return Voice(float(heard.mean()), float(heard.max()))


@dataclass(frozen=True)
class _Region:
    """A stretch of speech with a little silence around it.

    Attributes:
        start: Its first sample in the recording.
        samples: The samples.
        speech: The first sample of the speech itself, and one past its last, in the recording.
        pause: How many samples nobody spoke before it.
    """

    start: int
    samples: Samples
    speech: tuple[int, int]
    pause: int

    @property
    def stop(self) -> int:
        return self.start + len(self.samples)


def _best_cut(regions: list[_Region], limit: int) -> int:
    """Return how many regions to take, so that the window ends at the longest pause in its second half."""
    best, longest_pause, length = len(regions) - 1, -1, 0
    for count, region in enumerate(regions[1:], 1):
        length += len(regions[count - 1].samples)
        if length * 2 >= limit and region.pause >= longest_pause:
            best, longest_pause = count, region.pause
    return best


def _window(regions: list[_Region]) -> Window:
    spans: list[Span] = []
    silences: list[tuple[float, float]] = []
    offset = silent_since = 0
    for region in regions:
        if spans and spans[-1].stop == region.start:
            spans[-1] = replace(spans[-1], stop=region.stop)
        else:
            spans.append(Span(region.start, region.stop, offset))
        first, last = (offset + edge - region.start for edge in region.speech)
        silences.append((silent_since / SAMPLE_RATE, first / SAMPLE_RATE))
        silent_since = last
        offset += len(region.samples)
    silences.append((silent_since / SAMPLE_RATE, offset / SAMPLE_RATE))
    return Window(np.concatenate([region.samples for region in regions]), tuple(spans), tuple(silences))


def _regions(blocks: Iterable[Samples], limit: int) -> Iterator[_Region]:
    detector = VoiceDetector()
    edges = _SpeechEdges(limit)
    kept: Samples = np.zeros(0, np.float32)
    kept_from = 0
    judged = 0
    previous_stop = 0
    for block in _whole_frames(blocks):
        kept = np.concatenate([kept, block])
        found = edges.push(detector.probabilities(block), judged) if len(block) else edges.finish(judged)
        judged += len(block)
        for stretch in found:
            stop = min(stretch.stop, judged)
            pause = stretch.start - previous_stop
            keep_pause = pause <= _KEPT_SILENCE and stop - previous_stop <= limit
            start = previous_stop if keep_pause else stretch.start
            yield _Region(start, kept[start - kept_from : stop - kept_from].copy(), stretch.speech, pause)
            previous_stop = stop
        needed = max(previous_stop, min(edges.start, judged - _PADDING) - _KEPT_SILENCE)
        kept, kept_from = kept[needed - kept_from :].copy(), needed


def _whole_frames(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Yield whole frames, and an empty block at the end."""
    rest: Samples = np.zeros(0, np.float32)
    for block in blocks:
        joined = np.concatenate([rest, block])
        whole = len(joined) // FRAME * FRAME
        if whole:
            yield joined[:whole]
        rest = joined[whole:]
    if len(rest):
        yield np.pad(rest, (0, FRAME - len(rest)))
    yield np.zeros(0, np.float32)


@dataclass(frozen=True)
class _Stretch:
    """Speech with its padding, in samples of the recording."""

    start: int
    stop: int
    speech: tuple[int, int]


class _SpeechEdges:
    """Turns probabilities into stretches of speech, with hysteresis; cuts what gets too long at its weakest place."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.start = _NOBODY
        self._silent_since = _NOBODY
        self._latest_stop = 0
        self._history: list[tuple[int, float]] = []

    def push(self, probabilities: NDArray[np.float32], position: int) -> Iterator[_Stretch]:
        """Yield each stretch that ends in these frames, the first of which begins at the sample ``position``."""
        for number, probability in enumerate(probabilities.tolist()):
            at = position + number * FRAME
            if self.start == _NOBODY:
                if probability < _SPEECH:
                    continue
                self.start = max(at - _PADDING, self._latest_stop)
            self._history.append((at, probability))
            if probability >= _SPEECH:
                self._silent_since = _NOBODY
            elif probability < _SILENCE:
                self._silent_since = min(self._silent_since, at)
            if at + FRAME - self._silent_since >= _MIN_SILENCE:
                yield from self._close(self._silent_since)
            elif at + FRAME + _PADDING - self.start >= self._limit:
                yield self._cut()

    def finish(self, position: int) -> Iterator[_Stretch]:
        """Yield the stretch that the end of the recording ends, if there is one."""
        if self.start != _NOBODY:
            yield from self._close(min(self._silent_since, position))

    def _close(self, silent_since: int) -> Iterator[_Stretch]:
        stretch = _Stretch(self.start, silent_since + _PADDING, (self._history[0][0], silent_since))
        self.start = self._silent_since = _NOBODY
        self._history = []
        if stretch.speech[1] - stretch.speech[0] >= _MIN_SPEECH:
            self._latest_stop = stretch.stop
            yield stretch

    def _cut(self) -> _Stretch:
        late = self._history[len(self._history) * 2 // 3 :]
        # Averaged over three frames: a single low frame is a plosive, not a pause.
        smooth = np.convolve([probability for _, probability in late], np.ones(3) / 3, mode="valid")
        cut = late[int(np.argmin(smooth)) + 1][0]
        stretch = _Stretch(self.start, cut, (self._history[0][0], cut))
        self.start = self._latest_stop = cut
        self._history = [(at, probability) for at, probability in self._history if at >= cut]
        return stretch
