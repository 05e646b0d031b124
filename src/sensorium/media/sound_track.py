"""A sound track as one gapless stream of samples, on the clock that a player shows."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

from sensorium.errors import InputError
from sensorium.media.bare_stream import BARE, BareStream
from sensorium.media.channels import Channels, Sound, channels_of, mixed, shares_of
from sensorium.media.container import OpenMedia, WarningCallback, decode, has_unusual_channels, seek, warn
from sensorium.media.cut_off import breaks_off, ends_early, is_cut_off, least_end
from sensorium.media.damaged_gaps import DamagedGaps

_TOLERANCE = 0.1
"""Seconds by which a timestamp may be off before it is taken for a pause; containers round timestamps."""

_LONGEST_GUESSED_PAUSE = 10.0
"""Longest pause in seconds that is believed where the file doesn't say how long it is."""

_AT_THE_END = 1.0
"""Seconds. Damage so close to the end of a file is the frame in which it breaks off."""

_MOST_PLACES = 5

_FEW = 3

_PREROLL = 2.0
"""Seconds decoded ahead of a window: a codec carries a little of its past along, and so does a resampler."""


def trusted_end(media: OpenMedia, track: Any) -> float | None:
    """Return the second at which a sound track ends, as far as the file says so; a guess from the bit rate is none."""
    if media.container.format.name in BARE and not (media.container.format.name == "mp3" and track.start_time):
        return None  # an MP3 that states its encoder's delay states its number of frames, too
    if track.duration is None:
        return media.stated_duration
    begin = 0 if track.start_time is None else track.start_time * track.time_base - media.start
    return float(max(0, begin) + track.duration * track.time_base)


def too_long(media: OpenMedia) -> InputError:
    """Return the error for more sound than the limit allows."""
    return InputError(
        f"The sound of {media.name} is longer than {media.limits.max_duration:g} seconds",
        "Cut it into parts, or read a part of it",
    )


def decode_mono(
    media: OpenMedia,
    *,
    track: int | None = None,
    start: float = 0.0,
    voices: bool = False,
    on_warning: WarningCallback | None = None,
) -> Iterator[Sound]:
    """Decode a sound track as mono pieces of about a second.

    Where timestamps say that nothing is heard, there is silence. A part that can't be decoded becomes silence, too,
    so that what follows stays at its time.

    Args:
        media: The open file.
        track: Number of the sound track, from 1; None for the one that a player would play.
        start: What is heard before this time, in seconds, may be left out.
        voices: Whether channels are mixed by what is spoken into them; else the result is their mean.
        on_warning: Told in one sentence what is missing; None for the log.

    Yields:
        Pieces in the order of time, each beginning where the last one ended.

    Raises:
        InputError: There is no sound track, or it is longer than the limit.
    """
    reading = _Track(media, track)
    pieces = reading.pieces(start)
    try:
        yield from _mixed_by_voices(pieces) if voices else mixed(pieces)
        reading.warn_if_cut(on_warning)
    finally:
        reading.warn_of_damage(on_warning)


def _mixed_by_voices(pieces: Iterator[Channels]) -> Iterator[Sound]:
    from sensorium.media.voice_channels import mixed_by_voices

    return mixed_by_voices(pieces)


class _Track:
    def __init__(self, media: OpenMedia, track: int | None) -> None:
        import av

        self.media = media
        self.stream = media.sound_track(track)
        self._damaged: list[float] = []
        self._failed_at_first = 0
        self._gaps = DamagedGaps(media, self.stream.index)
        self._queue: Any = av.AudioFifo()
        self._rate = 0
        self._position = 0  # of the next sample, those in the queue counted
        self._zero = media.start
        self._limit = media.limits.max_duration
        bare = media.container.format.name in BARE
        self._bare = BareStream(media, self.stream, self._note_damage) if bare else None
        self._stated = trusted_end(media, self.stream)

    @property
    def now(self) -> float:
        return self._position / self._rate if self._rate else 0.0

    def pieces(self, start: float) -> Iterator[Channels]:
        self._limit = start + self.media.limits.max_duration
        for frame in self._frames(start):
            yield from self._follow(frame)
            if has_unusual_channels(frame):
                yield from self._drain(self._rate)
                yield channels_of(frame, self._rate, self._position, name=self.media.name)
                self._position += frame.samples
            else:
                yield from self._collect(frame)
            self._check_limit(self.now)
        yield from self._drain(self._rate)

    def _collect(self, frame: Any) -> Iterator[Channels]:
        frame.pts = None  # the queue would insist on timestamps without jitter
        try:
            self._queue.write(frame)
        except ValueError:  # the sample format or the channels changed
            yield from self._drain(self._rate)
            self._queue.write(frame)
        self._position += frame.samples
        yield from self._drain(self._rate, at_least=self._rate)

    def _check_limit(self, seconds: float) -> None:
        if seconds > self._limit:
            raise too_long(self.media)

    def warn_if_cut(self, on_warning: WarningCallback | None) -> None:
        """Warn if the file breaks off; then damage at its very end isn't told once more."""
        at_end = [second for second in self._damaged if second > self.now - _AT_THE_END]
        if self._stated is None:
            cut = bool(at_end) or is_cut_off(self.media)
        elif self._has_others and (self.stream.duration is None or "matroska" in self.media.container.format.name):
            # Only the whole film states its duration, which FFmpeg sometimes takes for that of a track, too. Its sound
            # may well be shorter.
            cut = self.now < least_end(self._stated) and ends_early(self.media)
        else:
            cut = self.now < least_end(self._stated) or is_cut_off(self.media)
        if cut:
            self._damaged = [second for second in self._damaged if second not in at_end]
            what = f"{'The sound of ' * self._has_others}{self.media.name}"
            warn(on_warning, breaks_off(what, self.now, self._stated))

    @property
    def _has_others(self) -> bool:
        """Whether the file has other tracks, with pictures or sound."""
        return len(self.media.container.streams.video) + len(self.media.container.streams.audio) > 1

    def warn_of_damage(self, on_warning: WarningCallback | None) -> None:
        """Warn of the parts that were left out."""
        seconds = list(dict.fromkeys(f"{second:.0f}" for second in self._damaged))
        if seconds:
            more = f" and in {len(seconds) - _MOST_PLACES} more places" if len(seconds) > _MOST_PLACES else ""
            near = f"second {', '.join(seconds[:_MOST_PLACES])}{more}"
            warn(on_warning, f"A part of {self.media.name} near {near} is damaged and was left out")

    def _frames(self, start: float) -> Iterator[Any]:
        """Yield decoded frames; the first one of the file sets the clock, and then those near ``start`` follow."""
        frames = self._decoded()
        first = next(frames, None)
        if first is None:
            return
        if first.time is not None:
            self._zero = min(self._zero, first.time)  # the sound may begin after the picture, but not before it
        if start <= 2 * _PREROLL:
            yield from chain([first], frames)
            return
        frames.close()
        begin = start - _PREROLL + self._zero
        if self._bare is None and seek(self.media, self.stream, math.floor(begin / self.stream.time_base)):
            frames = self._decoded(not_before=begin)
            first = next(frames, None)
            if first is not None and first.time is not None and first.time <= begin + _PREROLL / 2:
                self._jump(first)
                yield from chain([first], frames)
                return
            frames.close()
        seek(self.media, self.stream, math.floor(self.media.start / self.stream.time_base))
        frames = self._decoded(not_before=begin if self._bare else None)
        first = next(frames, None)
        if first is not None:
            self._jump(first)
            # If a damaged part covers the time, silence stands for it.
            self._position = min(self._position, round(start * self._rate))
            yield from chain([first], frames)

    def _decoded(self, not_before: float | None = None) -> Generator[Any, None, None]:
        if self._bare is not None:
            return self._bare.decode(not_before)
        return decode(self.media, self.stream, self._note_damage, not_before=not_before)

    def _note_damage(self) -> None:
        if self._rate:
            self._damaged.append(self.now)
            return
        # The first frame of a recording that was cut out of a longer one may lean on what isn't there any more.
        self._failed_at_first += 1
        if self._failed_at_first > _FEW:
            self._damaged.append(0.0)

    def _jump(self, frame: Any) -> None:
        """Set the clock by the first frame after a seek."""
        self._rate = frame.sample_rate
        self._position = max(0, round((frame.time - self._zero) * self._rate)) if frame.time is not None else 0

    def _follow(self, frame: Any) -> Iterator[Channels]:
        """Bring rate and position up to a frame that is about to be queued."""
        if frame.sample_rate != self._rate:
            yield from self._drain(self._rate)
            self._position = round(self.now * frame.sample_rate)
            self._rate = frame.sample_rate
        time = frame.time
        if time is None or (self._bare is not None and not self._bare.delay):
            return  # the timestamps of a bare stream are not stored in it: FFmpeg counts frames, as we do
        gap = time - self._zero - self.now
        if abs(gap) <= (_TOLERANCE if self._position else 0.0):
            return
        if self._bare is not None:
            believed = gap > 0
        elif self._stated is None:
            believed = 0 < gap <= _LONGEST_GUESSED_PAUSE
        else:
            believed = 0 < gap <= self._stated + 1.0 - self.now
        if not believed:
            self._zero += gap  # timestamps that start anew, as in recordings that were joined
            return
        if self._position and self._bare is None and self._gaps.hold(time - gap, time):
            self._note_damage()
        yield from self._drain(self._rate)
        self._check_limit(self.now + gap)
        yield from self._silence(round(gap * self._rate), shares_of(frame))

    def _silence(self, count: int, shares: tuple[float, ...]) -> Iterator[Channels]:
        import numpy as np

        while count > 0:
            size = min(count, 10 * self._rate)
            yield Channels(np.zeros((len(shares), size), np.float32), shares, self._rate, self._position)
            self._position += size
            count -= size

    def _drain(self, rate: int, at_least: int = 1) -> Iterator[Channels]:
        """Empty the queue if it holds enough: one large conversion is far cheaper than one for each frame."""
        import av

        if self._queue.samples < at_least:
            return
        frame = self._queue.read()
        yield channels_of(frame, rate, self._position - frame.samples, name=self.media.name)
        self._queue = av.AudioFifo()
