"""What the starter says, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sensorium.answer import Answer, Ending, Evidence
from sensorium.vision_language.starter.languages import Asked


@dataclass(frozen=True)
class Reply:
    """A short answer and what it rests on.

    Attributes:
        text: Whole sentences.
        evidence: The facts used.
        confidence: From 0 to 1, or None where nothing measures it.
        ending: How it ended; of a reply from measurements alone, that no language model took part.
    """

    text: str
    evidence: tuple[Evidence, ...] = ()
    confidence: float | None = None
    ending: Ending = field(default_factory=Ending)

    def to(self, question: Asked) -> Reply:
        """Return it in the language of a question."""
        if question.language is None:
            return self
        # Only a question in another language needs a phrase book.
        from sensorium.vision_language.starter.saying import say

        facts = (replace(fact, text=say(fact.text, question.language, question.words)) for fact in self.evidence)
        return replace(self, text=say(self.text, question.language, question.words), evidence=tuple(facts))

    def as_answer(self, model: str) -> Answer:
        """Return it as a result that names who answered."""
        return Answer(
            str(self.text),
            model=model,
            evidence=tuple(replace(fact, text=str(fact.text)) for fact in self.evidence),
            confidence=self.confidence,
            finish_reason=self.ending.finish_reason,
            usage=self.ending.usage,
            warnings=self.ending.warnings,
        )
