"""A sound track as one gapless stream of mono samples, on the clock that a player shows."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError
from sensorium.media.bare_stream import BARE, BareStream
from sensorium.media.container import OpenMedia, WarningCallback, decode, has_unusual_channels, seek, warn
from sensorium.media.cut_off import breaks_off, ends_early, is_cut_off, least_end
from sensorium.media.damaged_gaps import DamagedGaps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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

_SHARES = {"FL": 0.7071, "FR": 0.7071, "FC": 1.0, "LFE": 0.0, "LFE2": 0.0}
"""How much of each front channel goes into mono (ITU-R BS.775). Of those at the sides, behind and above, 0.5 does."""


@dataclass(frozen=True)
class Sound:
    """A piece of a sound track.

    Attributes:
        samples: float32 array of shape [samples].
        rate: Samples a second.
        position: Index of the first sample at this rate, counted from the beginning of the file.
    """

    samples: NDArray[np.float32]
    rate: int
    position: int


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


def decode_mono(media: OpenMedia, *, start: float = 0.0, on_warning: WarningCallback | None = None) -> Iterator[Sound]:
    """Decode the sound track as mono pieces of about a second.

    Where timestamps say that nothing is heard, there is silence. A part that can't be decoded becomes silence, too,
    so that what follows stays at its time.

    Args:
        media: The open file.
        start: What is heard before this time, in seconds, may be left out.
        on_warning: Told in one sentence what is missing; None for the log.

    Yields:
        Pieces in the order of time, each beginning where the last one ended.

    Raises:
        InputError: There is no sound track, or it is longer than the limit.
    """
    track = _Track(media)
    try:
        yield from track.pieces(start)
        track.warn_if_cut(on_warning)
    finally:
        track.warn_of_damage(on_warning)


class _Track:
    def __init__(self, media: OpenMedia) -> None:
        import av

        self.media = media
        self.stream = media.sound_track()
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

    def pieces(self, start: float) -> Iterator[Sound]:
        self._limit = start + self.media.limits.max_duration
        for frame in self._frames(start):
            yield from self._follow(frame)
            if has_unusual_channels(frame):
                yield from self._drain(self._rate)
                yield Sound(_mix(frame, self.media.name), self._rate, self._position)
                self._position += frame.samples
            else:
                yield from self._collect(frame)
            self._check_limit(self.now)
        yield from self._drain(self._rate)

    def _collect(self, frame: Any) -> Iterator[Sound]:
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
        elif self.stream.duration is None and self.media.container.streams.video:
            # Only the whole film states its duration, and its sound may well be shorter.
            cut = self.now < least_end(self._stated) and ends_early(self.media)
        else:
            cut = self.now < least_end(self._stated) or is_cut_off(self.media)
        if cut:
            self._damaged = [second for second in self._damaged if second not in at_end]
            film = self.media.container.streams.video
            warn(on_warning, breaks_off(f"{'The sound of ' * bool(film)}{self.media.name}", self.now, self._stated))

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

    def _follow(self, frame: Any) -> Iterator[Sound]:
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
        yield from self._silence(round(gap * self._rate))

    def _silence(self, count: int) -> Iterator[Sound]:
        import numpy as np

        while count > 0:
            size = min(count, 10 * self._rate)
            yield Sound(np.zeros(size, np.float32), self._rate, self._position)
            self._position += size
            count -= size

    def _drain(self, rate: int, at_least: int = 1) -> Iterator[Sound]:
        """Empty the queue if it holds enough: one large conversion is far cheaper than one for each frame."""
        import av

        if self._queue.samples < at_least:
            return
        frame = self._queue.read()
        yield Sound(_mix(frame, self.media.name), rate, self._position - frame.samples)
        self._queue = av.AudioFifo()


def _mix(frame: Any, name: str) -> NDArray[np.float32]:
    """Return the samples of a frame of any format as mono float32."""
    import numpy as np

    try:
        samples = frame.to_ndarray()
    except ValueError:
        raise InputError(
            f"The sound of {name} is stored as {frame.format.name}, which can't be read", "Convert it to FLAC"
        ) from None
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    mono: NDArray[np.float32] = _shares(frame.layout) @ samples.astype(np.float32)
    if samples.dtype.kind == "f":
        return np.nan_to_num(mono, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    full = 2.0 ** (8 * samples.itemsize - 1)
    if samples.dtype.kind == "u":
        mono -= full
    mono /= full
    return mono


def _shares(layout: Any) -> NDArray[np.float32]:
    """Return each channel's share in mono; shares add up to 1, so that nothing clips."""
    import numpy as np

    names = [channel.name for channel in layout.channels]
    surround = len(names) > 2 and "FL" in names
    shares = [_SHARES.get(name, 0.5) if surround else 1.0 for name in names]
    return np.array([share / sum(shares) for share in shares], np.float32)


def resample(pieces: Iterator[Sound], rate: int) -> Iterator[Sound]:
    """Change the sample rate (polyphase filter of libswresample).

    Args:
        pieces: Pieces that follow each other; their own rate may change on the way.
        rate: Samples a second of the result.

    Yields:
        Pieces that follow each other.
    """
    position: int | None = None
    converter = _Converter(rate, rate)
    for piece in pieces:
        if position is None:
            # Begin where samples of both rates fall on the same instant: then a window is cut from the
            # very samples that the whole would have.
            piece = _without(piece, -piece.position % (piece.rate // math.gcd(piece.rate, rate)))
            if not len(piece.samples):
                continue
            position = piece.position * rate // piece.rate
        outputs: Iterator[NDArray[np.float32]] = iter(())
        if piece.rate != converter.source:
            outputs = converter.finish()
            converter = _Converter(piece.rate, rate)
        for samples in chain(outputs, converter.push(piece.samples)):
            yield Sound(samples, rate, position)
            position += len(samples)
    for samples in converter.finish():
        assert position is not None
        yield Sound(samples, rate, position)
        position += len(samples)


def _without(piece: Sound, count: int) -> Sound:
    return Sound(piece.samples[count:], piece.rate, piece.position + count)


class _Converter:
    def __init__(self, source: int, target: int) -> None:
        import av

        self.source = source
        self._resampler = None if source == target else av.AudioResampler(format="flt", layout="mono", rate=target)

    def push(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        import av
        import numpy as np

        if self._resampler is None:
            yield samples
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
        frame.sample_rate = self.source
        yield from (out.to_ndarray()[0] for out in self._resampler.resample(frame))

    def finish(self) -> Iterator[NDArray[np.float32]]:
        if self._resampler is not None:
            yield from (out.to_ndarray()[0] for out in self._resampler.resample(None))
