"""Reading what is written in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.retrieval.checks import require_every

if TYPE_CHECKING:
    from sensorium.video.film_writing import FilmWriting
    from sensorium.vision_language.text_reader import TextReader
    from sensorium.vision_language.writing import Writing


class _Reading(ModelOperation):
    task: ClassVar[str] = "text-recognition"

    def opened(self, tasks: Tasks, report: Reporter) -> TextReader:
        """Return the reader."""
        from sensorium.vision_language.text_reader import TextReader

        return tasks.open((TextReader, self.opening_key), lambda: TextReader(self.model, **self.opening(tasks)), report)


class Read(_Reading):
    """Read what is written in a picture, such as a sign, a page or a screenshot: the text in reading order, and where
    each line stands."""

    result: ClassVar[str] = "sensorium.vision_language.writing:Writing"

    image: Media
    """The picture."""

    def run(self, tasks: Tasks, report: Reporter) -> Writing:
        """Read the picture."""
        return self.opened(tasks, report).read(tasks.media(self.image), progress=report, cancel=report)


class ReadFilm(_Reading):
    """Read what is written in a film, such as titles, signs and slides: each line, with its times."""

    result: ClassVar[str] = "sensorium.video.film_writing:FilmWriting"

    film: Media
    """A film that FFmpeg reads."""
    every: float = 2.0
    """How many seconds apart the frames are that are read; each takes a second or two."""

    @field_validator("every")
    @classmethod
    def _check_every(cls, every: float) -> float:
        require_every(every)
        return every

    def run(self, tasks: Tasks, report: Reporter) -> FilmWriting:
        """Read the film."""
        from sensorium.video.film_writing import read_film

        film = tasks.media(self.film)
        reader = self.opened(tasks, report)
        return read_film(film, every=self.every, reader=reader, progress=report, cancel=report)
