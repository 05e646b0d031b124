"""What is written in a film, and answers from it that name the times when it stands there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.answer import Evidence
from sensorium.language.grounding import content_words
from sensorium.video.film_writing import FilmLine
from sensorium.video.starter.film_answering import spans_in_words, timed_words
from sensorium.vision_language.starter.phrases import Phrase, Row, sentence
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.writing_answers import answer_from_rows, at_least_as_high, quoted


@dataclass(frozen=True)
class WrittenFilm:
    """What is written in a film.

    Attributes:
        lines: In the order in which they appear.
        whole: Whether these are the lines of the whole film, and not just those around a time.
    """

    lines: Sequence[FilmLine]
    whole: bool = True

    @property
    def rows(self) -> Sequence[str]:
        """The lines' words; what comes and goes is there once."""
        return list(dict.fromkeys(line.text for line in self.lines))

    @property
    def title(self) -> str:
        """The first line whose letters are about as high as the highest."""
        highest = max(line.height for line in self.lines)
        return next(line.text for line in self.lines if at_least_as_high(line.height, highest))

    def nothing(self, *, asked_for: bool) -> str:
        """Say that there are no lines."""
        return sentence("I can find no writing in this film" if self.whole else "I can find no writing at that time")

    def say(self, rows: Sequence[str]) -> str:
        """Say what some of the lines say, and when."""
        found = self._of(rows)
        if len(rows) == 1:
            return self.tell(Phrase("It says {quote}", quote=quoted(rows[0])), rows)
        lines = Row([timed_words(line.start, line.end, line.text) for line in found], "\n")
        return Phrase("It says:\n{quote}", quote=lines)

    def tell(self, statement: str, rows: Sequence[str]) -> str:
        """Make a sentence of a statement that rests on some of the lines, with their times."""
        return sentence("{statement} ({times})", statement=statement, times=spans_in_words(self._of(rows)))

    def facts(self, rows: Sequence[str]) -> tuple[Evidence, ...]:
        """Return some of the lines as evidence."""
        return tuple(
            Evidence("writing", Phrase("{quote}", quote=line.text), round(line.confidence, 2), line.start, line.end)
            for line in self._of(rows)
        )

    def _of(self, rows: Sequence[str]) -> list[FilmLine]:
        return [line for line in self.lines if line.text in rows]


def answer_from_film_writing(written: WrittenFilm, question: str, subject: str = "") -> tuple[Reply, bool]:
    """Answer a question about what is written in a film.

    Args:
        written: What was read.
        question: As it was asked, in English.
        subject: If given, lines that say this are asked for.

    Returns:
        The reply, and whether what was asked for stands there.
    """
    wanted = set(content_words(subject))
    if wanted and written.lines:
        rows = [row for row in written.rows if wanted <= set(content_words(row))]
        if not rows:
            return Reply(sentence("I can find no {name} in what is written there", name=subject)), False
        return Reply(written.say(rows), written.facts(rows)), True
    found = answer_from_rows(written, question)
    return Reply(found.text, found.evidence, found.confidence), found.found
