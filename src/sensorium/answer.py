"""Text that a model wrote: a plain ``str`` for whoever prints it, with its origin for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sensorium.record import Record


@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Record):
    """Something that an answer rests on.

    Attributes:
        kind: ``"tag"``, ``"people"``, ``"colour"``, ``"layout"``, ``"frame"``, ``"action"``, ``"transcript"``.
        text: The fact, in words.
        confidence: From 0 to 1, or None where nothing measures it.
        start: Where in a film or recording it begins, in seconds; None for a still picture.
        end: Where it ends, in seconds; None for a still picture or a single frame.
    """

    kind: str
    text: str
    confidence: float | None = None
    start: float | None = None
    end: float | None = None


class Answer(str):
    """An answer, a caption or a description.

    Attributes:
        model: Name of the checkpoint that wrote it.
        evidence: What it rests on, in the order of time or of importance.
        confidence: From 0 to 1, or None where nothing measures it.
        seed: With it the same words are sampled again; None where nothing was left to chance.
    """

    model: str
    evidence: tuple[Evidence, ...]
    confidence: float | None
    seed: int | None

    def __new__(
        cls,
        text: str,
        *,
        model: str,
        evidence: tuple[Evidence, ...] = (),
        confidence: float | None = None,
        seed: int | None = None,
    ) -> Self:
        answer = super().__new__(cls, text)
        answer.model = model
        answer.evidence = evidence
        answer.confidence = confidence
        answer.seed = seed
        return answer

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        # Copies and other processes get the origin too.
        origin = {"model": self.model, "evidence": self.evidence, "confidence": self.confidence, "seed": self.seed}
        return (str(self),), origin

    def to_dict(self) -> dict[str, Any]:
        """Return text, model, confidence, evidence and, if anything was sampled, the seed, ready for ``json.dumps``."""
        document = {
            "text": str(self),
            "model": self.model,
            "confidence": self.confidence,
            "evidence": [item.to_dict() for item in self.evidence],
        }
        return document if self.seed is None else {**document, "seed": self.seed}
