"""Sound: any file with a sound track becomes mono float32 samples, and samples become files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError
from sensorium.media.audio_writer import AudioWriter, write_audio
from sensorium.media.container import OpenMedia, WarningCallback, decode, open_media, warn
from sensorium.media.source import Limits, MediaSource
from sensorium.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AudioInfo", "AudioWriter", "probe_audio", "read_audio", "stream_audio", "write_audio"]

_GAP = 0.1
"""Seconds by which a timestamp may be off before it is taken for a real pause."""

_PREROLL = 1.0
"""Seconds decoded ahead of a window: codecs and resampling filters need a little past to be exact."""

_SELDOM_INDEXED = frozenset({"mp3", "aac", "ac3", "amr"})
"""Streams of frames without a container: their stated duration is a guess, and a seek in them is another."""


@dataclass(frozen=True, eq=False, repr=False)
class AudioInfo(Record):
    """What a sound track is.

    Attributes:
        duration: Seconds.
        sample_rate: Samples a second.
        channels: How many channels.
        codec: FFmpeg's name of the codec ("mp3", "aac", "opus", "pcm_s16le").
    """

    duration: float
    sample_rate: int
    channels: int
    codec: str


def probe_audio(source: MediaSource, *, limits: Limits | None = None) -> AudioInfo:
    """Say what the sound track of a file is, without decoding it.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        limits: What the file may cost.

    Raises:
        InputError: The file can't be read, or has no sound track.
    """
    with open_media(source, limits=limits or Limits()) as media:
        track = media.sound_track()
        duration = media.stated_duration
        if duration is None or media.container.format.name in _SELDOM_INDEXED:
            ends = [
                float((packet.pts + (packet.duration or 0)) * packet.time_base)
                for packet in media.container.demux(track)
                if packet.pts is not None
            ]
            duration = max(ends, default=0.0) - media.start
        context = track.codec_context
        return AudioInfo(max(0.0, duration), context.sample_rate, context.layout.nb_channels, context.name)


def read_audio(
    source: MediaSource,
    *,
    sample_rate: int = 16_000,
    start: float | None = None,
    end: float | None = None,
    limits: Limits | None = None,
    on_warning: WarningCallback | None = None,
) -> NDArray[np.float32]:
    """Read a sound track as mono samples.

    Sample k is what is heard k / sample_rate seconds after ``start``: pauses that a file only states by its
    timestamps become silence, so that times found in the samples are times in the player.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        sample_rate: Samples a second that the result shall have.
        start: Where to begin, in seconds; None for the beginning.
        end: Where to stop, in seconds; None for the end.
        limits: What the file may cost.
        on_warning: Told in one sentence that a part of the file is missing or damaged; None for the log.

    Returns:
        float32 array of shape [samples], values in [-1, 1].

    Raises:
        InputError: The file can't be read, has no sound track, is too long, or the window is not in it.
    """
    import numpy as np

    blocks = list(_blocks(source, sample_rate, start, end, limits or Limits(), on_warning))
    return np.concatenate(blocks)


def stream_audio(
    source: MediaSource,
    *,
    sample_rate: int = 16_000,
    block_seconds: float = 30.0,
    start: float | None = None,
    end: float | None = None,
    limits: Limits | None = None,
    on_warning: WarningCallback | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Read a sound track of any length block by block, in constant memory.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        sample_rate: Samples a second that the result shall have.
        block_seconds: Length of a block; only the last one is shorter.
        start: Where to begin, in seconds; None for the beginning.
        end: Where to stop, in seconds; None for the end.
        limits: What the file may cost.
        on_warning: Told in one sentence that a part of the file is missing or damaged; None for the log.

    Yields:
        float32 arrays of shape [samples], values in [-1, 1]; joined, they are what `read_audio` returns.

    Raises:
        InputError: As for `read_audio`.
    """
    import numpy as np

    if not block_seconds > 0:
        raise InputError(f"Blocks of {block_seconds} seconds hold no sound", "Ask for more than 0 seconds")
    size = max(1, round(block_seconds * sample_rate))
    waiting: list[NDArray[np.float32]] = []
    held = 0
    for block in _blocks(source, sample_rate, start, end, limits or Limits(), on_warning):
        waiting.append(block)
        held += len(block)
        while held >= size:
            joined = np.concatenate(waiting)
            yield joined[:size].copy()
            waiting, held = [joined[size:]], held - size
    if held:
        yield np.concatenate(waiting)


def _blocks(
    source: MediaSource,
    sample_rate: int,
    start: float | None,
    end: float | None,
    limits: Limits,
    on_warning: WarningCallback | None,
) -> Iterator[NDArray[np.float32]]:
    """Yield the window's samples at ``sample_rate``, about a second at a time."""
    import numpy as np

    if not 1000 <= sample_rate <= 768_000:
        raise InputError(f"A sample rate of {sample_rate} makes no sense", "Use 16000 for speech, 44100 for music")
    start = 0.0 if start is None else float(start)
    if not start >= 0 or (end is not None and not end > start):
        raise InputError(
            f"There is no sound from {start} to {end} seconds", "Give a start of 0 or more and a later end"
        )
    with open_media(source, limits=limits) as media:
        first = round(start * sample_rate)
        last = None if end is None else round(end * sample_rate)
        left = None if last is None else last - first
        written = 0
        position = 0
        resampler = _Resampler(sample_rate)
        for samples, rate in _mono(media, media.sound_track(), on_warning):
            for block in resampler.push(samples, rate):
                begin, position = position, position + len(block)
                block = block[max(0, first - begin) : None if last is None else max(0, last - begin)]
                if len(block):
                    written += len(block)
                    yield np.clip(block, -1.0, 1.0)
            if left is not None and written >= left:
                return
        for block in resampler.flush():
            begin, position = position, position + len(block)
            block = block[max(0, first - begin) : None if last is None else max(0, last - begin)]
            if len(block):
                written += len(block)
                yield np.clip(block, -1.0, 1.0)
        if not written:
            raise InputError(
                f"The file {media.name} ends before second {start:g}"
                if start
                else f"No sound of {media.name} can be decoded",
                "Choose an earlier start" if start else "Choose another file, or fetch it again",
            )


class _Resampler:
    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.source_rate = rate
        self._inner: Any = None

    def push(self, samples: NDArray[np.float32], rate: int) -> Iterator[NDArray[np.float32]]:
        import av

        if rate != self.source_rate:
            yield from self.flush()
            self.source_rate = rate
        if rate == self.rate:
            yield samples
            return
        if self._inner is None:
            self._inner = av.AudioResampler(format="flt", layout="mono", rate=self.rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = rate
        for out in self._inner.resample(frame):
            yield out.to_ndarray()[0]

    def flush(self) -> Iterator[NDArray[np.float32]]:
        if self._inner is not None:
            for out in self._inner.resample(None):
                yield out.to_ndarray()[0]
            self._inner = None


def _mono(
    media: OpenMedia, track: Any, on_warning: WarningCallback | None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield the whole track as mono blocks of about a second, at its own sample rate."""
    import numpy as np

    damaged = 0

    def count() -> None:
        nonlocal damaged
        damaged += 1

    seconds = 0.0
    rate = 0
    waiting: list[NDArray[np.float32]] = []
    held = 0
    for frame in decode(media, track, count):
        if rate and frame.sample_rate != rate:
            if held:
                yield np.concatenate(waiting), rate
            waiting, held = [], 0
        rate = frame.sample_rate
        waiting.append(_mix(frame))
        held += frame.samples
        seconds += frame.samples / rate
        if seconds > media.limits.max_duration:
            raise InputError(
                f"The sound of {media.name} is longer than {media.limits.max_duration:g} seconds", "Cut it"
            )
        if held >= rate:
            yield np.concatenate(waiting), rate
            waiting, held = [], 0
    if held:
        yield np.concatenate(waiting), rate
    if damaged:
        warn(on_warning, f"{damaged} pieces of {media.name} are damaged and were left out")


def _mix(frame: Any) -> NDArray[np.float32]:
    import numpy as np

    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    kind = samples.dtype
    samples = samples.astype(np.float32)
    if kind == np.uint8:
        samples = (samples - 128) / 128
    elif kind.kind == "i":
        samples /= 2.0 ** (8 * kind.itemsize - 1)
    mono: NDArray[np.float32] = samples.mean(axis=0)
    return mono
