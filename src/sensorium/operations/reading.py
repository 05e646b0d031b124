"""Reading what is written in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks

if TYPE_CHECKING:
    from sensorium.vision_language.text_reader import TextReader
    from sensorium.vision_language.writing import Writing


class Read(ModelOperation):
    """Read what is written in a picture, such as a sign, a page or a screenshot: the text in reading order, and where
    each line stands."""

    task: ClassVar[str] = "text-recognition"
    result: ClassVar[str] = "sensorium.vision_language.writing:Writing"

    image: Media
    """The picture."""

    def opened(self, tasks: Tasks, report: Reporter) -> TextReader:
        """Return the reader."""
        from sensorium.vision_language.text_reader import TextReader

        return tasks.open((TextReader, self.opening_key), lambda: TextReader(self.model, **self.opening(tasks)), report)

    def run(self, tasks: Tasks, report: Reporter) -> Writing:
        """Read the picture."""
        return self.opened(tasks, report).read(tasks.media(self.image), progress=report, cancel=report)
