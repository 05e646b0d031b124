"""Films: what they are, and the exact frames that are shown at given times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError
from sensorium.media.container import OpenMedia, WarningCallback, decode, open_media
from sensorium.media.source import Limits, MediaSource
from sensorium.record import Record

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, repr=False)
class VideoFrame(Record):
    """One picture of a film.

    Attributes:
        image: RGB, upright, with square pixels.
        time: When it appears, in seconds from the beginning of the film.
    """

    image: Image
    time: float


@dataclass(frozen=True, eq=False, repr=False)
class VideoInfo(Record):
    """What a film is.

    Attributes:
        duration: Seconds.
        width: Of the picture as shown (upright, with square pixels), in pixels.
        height: Of the picture as shown, in pixels.
        frames_per_second: On average.
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


def probe_video(source: MediaSource, *, limits: Limits | None = None) -> VideoInfo:
    """Say what a film is.

    Args:
        source: Path, address, data URI, bytes or open file.
        limits: What the file may cost.

    Raises:
        InputError: The file can't be read, or has no moving picture.
    """
    with open_media(source, limits=limits or Limits()) as media:
        stream = media.pictures()
        context = stream.codec_context
        return VideoInfo(
            media.stated_duration or 0.0,
            context.width,
            context.height,
            float(stream.average_rate or 0),
            0,
            bool(media.container.streams.audio),
            context.name,
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
    limits: Limits | None = None,
    on_warning: WarningCallback | None = None,
) -> Iterator[VideoFrame]:
    """Yield frames of a film in the order of time, holding one at a time.

    The frame at a time is the one that a player shows then: the last that appears at that time or before.

    Args:
        source: Path, address, data URI, bytes or open file.
        count: This many, evenly spread from the first frame to the last.
        every: One each so many seconds.
        frames_per_second: So many a second.
        scenes: The first frame of each scene.
        times: The frames at these times, in seconds.
        start: Leave out what is before this time, in seconds.
        end: Leave out what is after this time, in seconds.
        minimum_side: Shrink pictures so that the shorter side has this many pixels (never enlarge).
        limits: What the file may cost.
        on_warning: Told in one sentence that a part of the file is missing or damaged; None for the log.

    Raises:
        InputError: The file can't be read, has no moving picture, is too large, or the choice makes no sense.
    """
    import numpy as np

    with open_media(source, limits=limits or Limits()) as media:
        stream = media.pictures()
        stream.thread_type = "AUTO"
        rate = float(stream.average_rate or 25)
        finish = (media.stated_duration or 0.0) - 1 / rate
        if times is None:
            begin, stop = start or 0.0, min(finish, end if end is not None else finish)
            if count is not None:
                times = [float(t) for t in np.linspace(begin, stop, count)]
            else:
                step = every or (1 / frames_per_second if frames_per_second else 1.0)
                times = [float(t) for t in np.arange(begin, stop + 1e-9, step)]
        wanted = list(times)
        shown: Any = None
        for frame in decode(media, stream, lambda: None):
            while wanted and shown is not None and frame.time - media.start > wanted[0] + 0.0005:
                yield _finish(shown, media, minimum_side)
                wanted.pop(0)
            shown = frame
            if not wanted:
                return
        if shown is None:
            raise InputError(f"No frame of {media.name} can be decoded", "Choose another file, or fetch it again")
        for _ in wanted:
            yield _finish(shown, media, minimum_side)


def _finish(frame: Any, media: OpenMedia, minimum_side: int | None) -> VideoFrame:
    width, height = frame.width, frame.height
    if minimum_side is not None and min(width, height) > minimum_side:
        scale = minimum_side / min(width, height)
        width, height = round(width * scale), round(height * scale)
    return VideoFrame(frame.to_image(width=width, height=height), max(0.0, frame.time - media.start))
