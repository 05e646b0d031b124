"""Sound: any file with a sound track becomes mono float32 samples, and samples become files."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.media.audio_writer import AudioWriter, write_audio
from sensorium.media.container import OpenMedia, WarningCallback, decode, open_media, packets
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.resampling import resample
from sensorium.media.sound_track import decode_mono, too_long, trusted_end
from sensorium.media.source import MediaSource
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AudioInfo", "AudioWriter", "probe_audio", "read_audio", "stream_audio", "write_audio"]


@dataclass(frozen=True, eq=False, repr=False)
class AudioInfo(Record):
    """What a sound track is.

    Attributes:
        duration: Seconds.
        sample_rate: Samples a second.
        channels: How many channels.
        codec: Name of the codec ("mp3", "aac", "opus", "pcm_s16le").
    """

    duration: float
    sample_rate: int
    channels: int
    codec: str


def probe_audio(source: MediaSource, *, track: int | None = None, limits: Limits = DEFAULT_LIMITS) -> AudioInfo:
    """Say what a sound track of a file is; of its sound, only the beginning is decoded.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        track: Number of the sound track, from 1; None for the one that a player would play.
        limits: What the file may cost.

    Raises:
        InputError: The file can't be read, or has no sound track.
    """
    with open_media(source, limits=limits) as media:
        stream = media.sound_track(track)
        frames = decode(media, stream, lambda: None)
        first = next(frames, None)
        frames.close()
        if first is None:
            raise InputError(f"No sound can be decoded from {media.name}", "Choose another file, or fetch it again")
        end = trusted_end(media, stream)
        if end is None:
            end = (first.time or 0.0) + first.samples / first.sample_rate - media.start
            for packet in packets(media, [stream], lambda: None):
                if packet.pts is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base) - media.start)
        codec = stream.codec_context.codec.canonical_name
        return AudioInfo(end, first.sample_rate, first.layout.nb_channels, codec)


def read_audio(
    source: MediaSource,
    *,
    sample_rate: int = 16_000,
    start: float | None = None,
    end: float | None = None,
    track: int | None = None,
    voices: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    on_warning: WarningCallback | None = None,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> NDArray[np.float32]:
    """Read a sound track as mono samples.

    Sample k is what is heard k / sample_rate seconds after ``start``: pauses that a file only states by its
    timestamps become silence, so that times found in the samples are times in the player.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        sample_rate: Samples a second that the result shall have.
        start: Where to begin, in seconds; None for the beginning.
        end: Where to stop, in seconds; None for the end.
        track: Number of the sound track, from 1; None for the one that a player would play.
        voices: Whether channels are mixed by what is spoken into them, so that neither opposite phases nor noise in one
            of them cover a voice; else the result is their mean. It is the mean, too, where nothing disturbs.
        limits: What the file may cost.
        on_warning: Told in one sentence that a part of the file is missing or damaged; None for the log.
        progress: Told the second that was reached.
        cancel: Set it to stop.

    Returns:
        float32 array of shape [samples], values in [-1, 1].

    Raises:
        InputError: The file can't be read, has no sound track, is too long, or the window is not in it.
        CancelledError: It was stopped.
    """
    import numpy as np

    blocks = list(_window(source, sample_rate, start, end, track, voices, limits, on_warning, progress, cancel))
    return np.concatenate(blocks)


def stream_audio(
    source: MediaSource,
    *,
    sample_rate: int = 16_000,
    block_seconds: float = 30.0,
    start: float | None = None,
    end: float | None = None,
    track: int | None = None,
    voices: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    on_warning: WarningCallback | None = None,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Read a sound track of any length block by block, in constant memory.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        sample_rate: Samples a second that the result shall have.
        block_seconds: Length of a block; only the last one is shorter.
        start: Where to begin, in seconds; None for the beginning.
        end: Where to stop, in seconds; None for the end.
        track: Number of the sound track, from 1; None for the one that a player would play.
        voices: Whether channels are mixed by what is spoken into them, so that neither opposite phases nor noise in one
            of them cover a voice; else the result is their mean. It is the mean, too, where nothing disturbs.
        limits: What the file may cost.
        on_warning: Told in one sentence that a part of the file is missing or damaged; None for the log.
        progress: Told the second that was reached.
        cancel: Set it to stop.

    Yields:
        float32 arrays of shape [samples], values in [-1, 1]; joined, they are what `read_audio` returns.

    Raises:
        InputError: As for `read_audio`.
        CancelledError: It was stopped.
    """
    import numpy as np

    if not block_seconds > 0:
        raise InputError(f"Blocks of {block_seconds} seconds hold no sound", "Ask for more than 0 seconds")
    size = max(1, round(block_seconds * sample_rate))
    waiting: list[NDArray[np.float32]] = []
    held = 0
    for block in _window(source, sample_rate, start, end, track, voices, limits, on_warning, progress, cancel):
        waiting.append(block)
        held += len(block)
        while held >= size:
            joined = np.concatenate(waiting)
            yield joined[:size].copy()
            waiting, held = [joined[size:]], held - size
    if held:
        yield np.concatenate(waiting)


def _window(
    source: MediaSource,
    sample_rate: int,
    start: float | None,
    end: float | None,
    track: int | None,
    voices: bool,
    limits: Limits,
    on_warning: WarningCallback | None,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Iterator[NDArray[np.float32]]:
    """Yield the samples from ``start`` to ``end``, about a second at a time."""
    import numpy as np

    if not 1000 <= sample_rate <= 384_000:
        raise InputError(f"A sample rate of {sample_rate} makes no sense", "Use 16000 for speech, 44100 for music")
    begin = 0.0 if start is None else float(start)
    if not 0 <= begin < (math.inf if end is None else end):
        raise InputError(f"There is no sound from second {start} to {end}", "Give a start of 0 or more and a later end")
    with open_media(source, limits=limits, cancel=cancel) as media:
        total = _length(media, track, begin, end)
        first = round(begin * sample_rate)
        last = sys.maxsize if end is None or end == math.inf else round(end * sample_rate)
        found = reached = 0
        pieces = decode_mono(media, track=track, start=begin, voices=voices, on_warning=on_warning)
        for piece in resample(pieces, sample_rate):
            samples = piece.samples[max(0, first - piece.position) : max(0, last - piece.position)]
            if len(samples):
                found += len(samples)
                yield np.clip(samples, -1.0, 1.0)
            reached = piece.position + len(piece.samples)
            report(progress, "reading sound", max(0.0, reached / sample_rate - begin), total, "seconds")
            if reached >= last:
                return
        if reached and not found:
            raise InputError(f"{media.name} ends at second {reached / sample_rate:.1f}", "Choose an earlier start")
        if not found:
            raise InputError(f"No sound can be decoded from {media.name}", "Choose another file, or fetch it again")


def _length(media: OpenMedia, track: int | None, begin: float, end: float | None) -> float | None:
    """Return how many seconds will be read, as far as the file says; refuse more than the limit before reading."""
    stated = trusted_end(media, media.sound_track(track))
    if stated is None:
        return None
    length = max(0.0, min(stated, math.inf if end is None else end) - begin)
    if length > media.limits.max_duration:
        raise too_long(media)
    return length
