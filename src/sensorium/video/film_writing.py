"""What is written in a film, and from when to when it stands there."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.arguments import checked
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.record import Record
from sensorium.retrieval.checks import require_every
from sensorium.video.film import Film
from sensorium.vision_language.text_reader import TextReader

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.vision_language.writing import WrittenLine

_SIDE = 720
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
    """

    text: str
    start: float
    end: float
    confidence: float


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
    total = max(1, round(duration / every))
    gone: list[_Standing] = []
    standing: list[_Standing] = []
    count = 0
    for frame in opened.frames(every=every, minimum_side=_SIDE, cancel=cancel):
        time = round(frame.time, 2)
        left = list(standing)
        standing = [_taken(left, line, time) for line in reader.read(frame.image, cancel=cancel).lines]
        gone += (line.until(time) for line in left)
        count += 1
        report(progress, "reading", min(count, total), total, "frames")
    lines = [*gone, *(line.until(max(line.start, round(duration, 2))) for line in standing)]
    lines.sort(key=lambda line: line.start)
    return FilmWriting(tuple(line.told() for line in lines), count, reader.model, opened.warnings.told())


@dataclass
class _Standing:
    """A line that was there in the last frame."""

    text: str
    start: float
    end: float
    confidence: float

    def until(self, time: float) -> _Standing:
        """Note that it isn't there any more."""
        self.end = time
        return self

    def told(self) -> FilmLine:
        """Return what is told of it."""
        return FilmLine(self.text, self.start, self.end, self.confidence)


def _taken(standing: list[_Standing], line: WrittenLine, time: float) -> _Standing:
    """Take the line out of those that stand, if it is one of them; else return a new one."""
    for known in standing:
        if _alike(known.text, line.text):
            standing.remove(known)
            if line.confidence > known.confidence:
                known.text, known.confidence = line.text, line.confidence
            return known
    return _Standing(line.text, time, time, line.confidence)


def _alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, _plain(one), _plain(other), autojunk=False).ratio() >= _SAME


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())) or text
