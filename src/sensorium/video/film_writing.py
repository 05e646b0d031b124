"""What is written in a film, and from when to when it stands there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.arguments import checked
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.record import Record
from sensorium.retrieval.checks import require_every
from sensorium.video.film import Film
from sensorium.vision_language.starter.prominent_writing import height_of
from sensorium.vision_language.text_reader import TextReader

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.media.video import VideoFrame
    from sensorium.vision_language.writing import WrittenLine

READABLE_SIDE = 720
"""How many pixels the shorter side of a frame has that is read, if the film has them."""
_SAME = 0.8
"""How much of two readings must be alike for one line: on the next frame a letter may be read in another way."""


@dataclass(frozen=True, eq=False, repr=False)
class FilmLine(Record):
    """A line that stands in a film for a while.

    Attributes:
        text: What it says, as it was read with the most confidence.
        start: When it is first seen, in seconds.
        end: When it is no longer seen, in seconds.
        confidence: How sure the reader is of the characters, from 0 to 1.
        height: How high its letters are, as a share of the film's height.
    """

    text: str
    start: float
    end: float
    confidence: float
    height: float = 0.0


@dataclass(frozen=True, eq=False, repr=False)
class FilmWriting(Record):
    """All writing that was found in a film.

    Attributes:
        lines: In the order in which they appear.
        frames: How many frames were read.
        model: The name of the checkpoint that read.
        warnings: What was missing or damaged in the film: a sentence for each.
    """

    lines: tuple[FilmLine, ...]
    frames: int
    model: str
    warnings: tuple[str, ...] = ()


@checked
def read_film(
    film: MediaSource,
    *,
    every: float = 2.0,
    reader: TextReader | None = None,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> FilmWriting:
    """Read what is written in a film, such as titles, signs and slides, with the times when it stands there.

    Args:
        film: Any film that FFmpeg reads.
        every: Seconds from one frame that is read to the next.
        reader: Who reads; None for the profile's default, which is closed afterwards.
        progress: Told the frames read so far.
        cancel: Stops within a few lines.

    Returns:
        Its lines. One that stands in several frames after each other is told once.

    Raises:
        InputError: The file is no film, or ``every`` isn't a number above 0.
        CancelledError: ``cancel`` was set.
    """
    require_every(every)
    if reader is None:
        with TextReader() as own:
            return read_film(film, every=every, reader=own, progress=progress, cancel=cancel)
    reader.ensure_loaded(progress=progress, cancel=cancel)
    opened = Film(film, limits=reader.limits, progress=progress, cancel=cancel)
    duration = opened.probe().duration
    frames = opened.frames(every=every, minimum_side=READABLE_SIDE, cancel=cancel)
    total = max(1, round(duration / every))
    lines, count = read_frames(frames, total, duration=duration, reader=reader, progress=progress, cancel=cancel)
    return FilmWriting(lines, count, reader.model, opened.warnings.told())


def read_frames(
    frames: Iterable[VideoFrame],
    total: int,
    *,
    duration: float,
    reader: TextReader,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> tuple[tuple[FilmLine, ...], int]:
    """Read frames of a film one after the other.

    Args:
        frames: The frames, in the order of time.
        total: How many there are, about.
        duration: Length of the film, in seconds.
        reader: Who reads.
        progress: Told the frames read so far.
        cancel: Stops within a few lines.

    Returns:
        The lines, in the order in which they appear, each once for as long as it stands; and how many frames there
        were.
    """
    gone: list[_Standing] = []
    standing: list[_Standing] = []
    count = 0
    for frame in frames:
        time = round(frame.time, 2)
        left = list(standing)
        writing = reader.read(frame.image, cancel=cancel)
        standing = [_taken(left, line, height_of(line) / writing.height, time) for line in writing.lines]
        gone += (line.until(time) for line in left)
        count += 1
        report(progress, "reading", min(count, total), total, "frames")
    lines = [*gone, *(line.until(max(line.start, round(duration, 2))) for line in standing)]
    lines.sort(key=lambda line: line.start)
    return tuple(line.told() for line in lines), count


@dataclass
class _Standing:
    """A line that was there in the last frame."""

    text: str
    start: float
    end: float
    confidence: float
    height: float

    def until(self, time: float) -> _Standing:
        """Note that it isn't there any more."""
        self.end = time
        return self

    def told(self) -> FilmLine:
        """Return what is told of it."""
        return FilmLine(self.text, self.start, self.end, self.confidence, round(self.height, 3))


def _taken(standing: list[_Standing], line: WrittenLine, height: float, time: float) -> _Standing:
    """Take the line out of those that stand, if it is one of them; else return a new one."""
    for known in standing:
        if _alike(known.text, line.text):
            standing.remove(known)
            if line.confidence > known.confidence:
                known.text, known.confidence = line.text, line.confidence
            return known
    return _Standing(line.text, time, time, line.confidence, height)


def _alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, _plain(one), _plain(other), autojunk=False).ratio() >= _SAME


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())) or text
