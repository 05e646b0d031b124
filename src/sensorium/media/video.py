"""Films: their size, length and codec, and the exact frames that are shown at given times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.media.container import WarningCallback, open_media
from sensorium.media.frame_picture import PictureMaker, shown_size, turn_of
from sensorium.media.frame_reader import FrameReader, TimedFrame
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.scenes import find_scenes
from sensorium.media.source import MediaSource
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.record import Record

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, repr=False)
class VideoFrame(Record):
    """One picture of a film.

    Attributes:
        image: RGB, upright, with square pixels.
        time: When the picture appears, in seconds from the beginning of the film.
    """

    image: Image
    time: float


@dataclass(frozen=True, eq=False, repr=False)
class VideoInfo(Record):
    """Facts about a film.

    Attributes:
        duration: Length of the film, in seconds.
        width: Width of the picture as it is shown (upright, with square pixels), in pixels.
        height: Height of the picture as it is shown, in pixels.
        frames_per_second: Average number of frames per second.
        rotation: Degrees by which the stored picture is turned clockwise to be shown: 0, 90, 180, 270.
        has_audio: Whether there is a sound track.
        codec: FFmpeg's name of the codec ("h264", "hevc", "vp9").
    """

    duration: float
    width: int
    height: int
    frames_per_second: float
    rotation: int
    has_audio: bool
    codec: str


def probe_video(
    source: MediaSource, *, limits: Limits = DEFAULT_LIMITS, on_warning: WarningCallback | None = None
) -> VideoInfo:
    """Return a film's length, size and codec; only its first frame is decoded.

    Args:
        source: Path, address, data URI, bytes or open file.
        limits: The limits for the file.
        on_warning: Called with one sentence if the film breaks off; None for the log.

    Raises:
        InputError: The file can't be read, or has no moving picture.
    """
    with open_media(source, limits=limits) as media:
        reader = FrameReader(media, on_warning)
        found = reader.frame_at(reader.first)
        stream, frame, turn = reader.stream, found.frame, turn_of(found.frame)
        width, height = shown_size(frame.width, frame.height, stream.sample_aspect_ratio, turn)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        return VideoInfo(
            duration=reader.duration,
            width=width,
            height=height,
            frames_per_second=rate,
            rotation=turn.clockwise,
            has_audio=bool(media.container.streams.audio),
            codec=stream.codec_context.codec.canonical_name,
        )


def sample_frames(
    source: MediaSource,
    count: int | None = None,
    *,
    every: float | None = None,
    frames_per_second: float | None = None,
    scenes: bool = False,
    times: Sequence[float] | None = None,
    start: float | None = None,
    end: float | None = None,
    minimum_side: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_warning: WarningCallback | None = None,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[VideoFrame]:
    """Yield frames of a film in the order of time; one frame is in memory at a time.

    The frame at a given time is the frame that a player shows at that time: the last one that appears at that time or
    before. Choose frames by one of ``count``, ``every``, ``frames_per_second``, ``times`` and ``scenes``. Without any
    of these, 16 frames are yielded.

    Args:
        source: Path, address, data URI, bytes or open file.
        count: Yield this many frames, evenly spread from the first frame to the last. Together with ``scenes``: yield
            the first frames of this many scenes, those with the strongest changes.
        every: Yield one frame every ``every`` seconds.
        frames_per_second: Yield this many frames per second.
        scenes: Yield the first frame of each scene.
        times: Yield the frames at these times, in seconds.
        start: Leave out everything before this time, in seconds.
        end: Leave out everything after this time, in seconds.
        minimum_side: Shrink pictures to this many pixels on the shorter side; smaller pictures stay as they are.
        limits: The limits for the file.
        on_warning: Called with one sentence if a part of the film is missing or damaged; None for the log.
        progress: Told the second of the film that was reached, also during a search for scenes that yields nothing yet.
        cancel: Set it to stop.

    Yields:
        One frame for each time. If the film has fewer frames than that, some frames are yielded more than once.

    Raises:
        InputError: The choice makes no sense, or the file can't be read, has no moving picture, or is too large.
        CancelledError: ``cancel`` was set.
    """
    ways = {"count": count, "every": every, "frames_per_second": frames_per_second, "times": times}
    chosen = [name for name, value in ways.items() if value is not None] + ["scenes"] * scenes
    if len(chosen) > 1 and set(chosen) != {"count", "scenes"}:
        raise InputError(f"Frames were chosen in several ways: {', '.join(chosen)}", "Choose one of them")
    for name in ("count", "every", "frames_per_second"):
        value = ways[name]
        if isinstance(value, (int, float)) and not 0 < value < math.inf:
            raise InputError(f"{name}={value} chooses no frames", "Give a number above 0")
    if minimum_side is not None and minimum_side < 1:
        raise InputError(f"minimum_side={minimum_side} leaves nothing of a picture", "Give 1 or more")
    begin, stop = 0.0 if start is None else start, math.inf if end is None else end
    if not 0 <= begin <= stop:
        raise InputError(f"There is no film from second {start} to {end}", "Give a start of 0 or more and a later end")
    if times is not None and not all(0 <= time < math.inf for time in times):
        raise InputError("Times must be seconds from the beginning of the film", "Give numbers of 0 or more")
    if frames_per_second is not None:
        every = 1 / frames_per_second
    if not chosen:
        count = 16

    choice = _Choice(count, every, times, scenes, begin, stop)
    return _frames(source, choice, minimum_side, limits, on_warning, progress, cancel)


@dataclass(frozen=True)
class _Choice:
    count: int | None
    every: float | None
    times: Sequence[float] | None
    scenes: bool
    begin: float
    stop: float


def _frames(
    source: MediaSource,
    choice: _Choice,
    minimum_side: int | None,
    limits: Limits,
    on_warning: WarningCallback | None,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Iterator[VideoFrame]:
    with open_media(source, limits=limits, cancel=cancel) as media:
        reader = FrameReader(media, on_warning, progress)
        latest = max(choice.begin, *(choice.times or [0.0]))
        if latest > reader.duration:
            raise InputError(
                f"The film {media.name} ends at second {reader.duration:.1f}, before second {latest:g}",
                "Choose an earlier time",
            )
        maker = PictureMaker(media, reader.stream, minimum_side)
        shown: TimedFrame | None = None
        for frame in _chosen(reader, choice, limits):
            if shown is None or frame is not shown:
                shown, image = frame, maker.picture(frame.frame)
            yield VideoFrame(image, reader.seconds(frame.ticks))
        reader.report_damage()


def _chosen(reader: FrameReader, choice: _Choice, limits: Limits) -> Iterator[TimedFrame]:
    if choice.scenes:
        yield from _scenes(reader, choice, limits)
        return
    for time in _times(reader, choice, limits):
        yield reader.frame_at(reader.ticks_at(time))


def _times(reader: FrameReader, choice: _Choice, limits: Limits) -> list[float]:
    """Return the chosen times in seconds, in ascending order."""
    begin = max(reader.seconds(reader.first), choice.begin)
    if choice.times is not None:
        count, step = len(choice.times), 0.0
    elif choice.every is not None:
        step = choice.every
        count = max(1, math.ceil(round((min(reader.seconds(reader.end), choice.stop) - begin) / step, 6)))
    else:
        count = choice.count or 0
        last = max(begin, min(reader.seconds(reader.last), choice.stop))
        step = (last - begin) / max(1, count - 1)
    if count > limits.max_frames:
        raise InputError(
            f"{count} frames of {reader.media.name} were asked for; at most {limits.max_frames} are given at once",
            "Choose fewer frames",
        )
    if choice.times is not None:
        return sorted(time for time in choice.times if choice.begin <= time <= choice.stop)
    return [begin + index * step for index in range(count)]


def _scenes(reader: FrameReader, choice: _Choice, limits: Limits) -> Iterator[TimedFrame]:
    first = max(reader.first, reader.ticks_at(choice.begin))
    last = reader.last if choice.stop == math.inf else min(reader.last, reader.ticks_at(choice.stop))
    found = find_scenes(reader, first, last)
    if choice.count is None:
        yield from (frame for frame, _ in islice(found, limits.max_frames))
        return
    strongest = nlargest(choice.count, ((strength, -frame.ticks) for frame, strength in found))
    for ticks in sorted(-ticks for _, ticks in strongest):
        yield reader.frame_at(ticks)
