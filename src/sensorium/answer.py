"""Text that a model wrote: a plain ``str`` for whoever prints it, with its origin for whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from sensorium.record import Record

FinishReason: TypeAlias = Literal["stop", "length"]
"""Why a text ends where it does: the model was done, or came to a stop sequence; or the longest answer was reached."""


@dataclass(frozen=True, eq=False, repr=False)
class Usage(Record):
    """How many tokens went through the language model that wrote an answer.

    A model behind a server is counted by the server.

    Attributes:
        prompt_tokens: How many tokens the model read, with the words of its chat template; a picture counts as the
            tokens that the model makes of it.
        completion_tokens: How many tokens the model wrote, without the token that only ends the text.
        reasoning_tokens: How many of these were thoughts, which are no part of the answer.
    """

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


NO_TOKENS = Usage(0, 0)
"""No language model took part."""


@dataclass(frozen=True)
class Ending:
    """How the writing of a text ended.

    Attributes:
        finish_reason: ``"stop"`` or ``"length"``.
        usage: The tokens; None where a server doesn't count them.
        warnings: What the caller should know about the writing: a sentence for each.
    """

    finish_reason: FinishReason = "stop"
    usage: Usage | None = field(default_factory=lambda: NO_TOKENS)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Record):
    """Something that an answer rests on.

    Attributes:
        kind: ``"tag"``, ``"people"``, ``"colour"``, ``"layout"``, ``"frame"``, ``"action"``, ``"writing"``,
            ``"transcript"``.
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


@dataclass(frozen=True, eq=False, repr=False)
class _Answer(Record):
    """An answer as `Answer.to_dict` writes it."""

    text: str
    model: str
    evidence: tuple[Evidence, ...]
    confidence: float | None
    seed: int | None
    finish_reason: FinishReason
    usage: Usage | None
    warnings: tuple[str, ...] = ()


class Answer(str):
    """An answer, a caption or a description.

    Attributes:
        model: Name of the checkpoint that wrote it.
        evidence: What it rests on, in the order of time or of importance.
        confidence: From 0 to 1, or None where nothing measures it.
        seed: With it the same words are sampled again; None where nothing was left to chance.
        finish_reason: ``"stop"`` where the model was done, or came to a stop sequence; ``"length"`` where the longest
            answer was reached, and there might be more to say.
        usage: The tokens that it took; none where it was put together from measurements, as the starter does for most
            questions. None where a server doesn't count them.
        warnings: What was missing or damaged in what it is about, or could not be done as asked: a sentence for each.
    """

    model: str
    evidence: tuple[Evidence, ...]
    confidence: float | None
    seed: int | None
    finish_reason: FinishReason
    usage: Usage | None
    warnings: tuple[str, ...]

    def __new__(
        cls,
        text: str,
        *,
        model: str,
        evidence: tuple[Evidence, ...] = (),
        confidence: float | None = None,
        seed: int | None = None,
        finish_reason: FinishReason = "stop",
        usage: Usage | None = NO_TOKENS,
        warnings: tuple[str, ...] = (),
    ) -> Self:
        answer = super().__new__(cls, text)
        answer.model = model
        answer.evidence = evidence
        answer.confidence = confidence
        answer.seed = seed
        answer.finish_reason = finish_reason
        answer.usage = usage
        answer.warnings = warnings
        return answer

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        # Copies and other processes get the origin too.
        return (str(self),), self.origin()

    def changed(self, **changes: Any) -> Self:
        """Return the same text with other attributes."""
        return type(self)(str(self), **{**self.origin(), **changes})

    def warned(self, sentences: tuple[str, ...]) -> Self:
        """Return the same answer with further warnings in front."""
        return self.changed(warnings=(*sentences, *self.warnings)) if sentences else self

    def to_dict(self) -> dict[str, Any]:
        """Return the text and all attributes, ready for ``json.dumps``; the seed only if anything was sampled."""
        document = {
            "text": str(self),
            "model": self.model,
            "confidence": self.confidence,
            "evidence": [item.to_dict() for item in self.evidence],
            "finish_reason": self.finish_reason,
            "usage": None if self.usage is None else self.usage.to_dict(),
            "warnings": list(self.warnings),
        }
        return document if self.seed is None else {**document, "seed": self.seed}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the answer that `to_dict` was called on.

        Raises:
            InputError: It is no such document.
        """
        written = _Answer.from_dict({"seed": None, **document} if isinstance(document, Mapping) else document)
        return cls(**written)

    def origin(self) -> dict[str, Any]:
        """Return all that is known beside the text: the arguments that make such an answer of another text."""
        return {
            "model": self.model,
            "evidence": self.evidence,
            "confidence": self.confidence,
            "seed": self.seed,
            "finish_reason": self.finish_reason,
            "usage": self.usage,
            "warnings": self.warnings,
        }
