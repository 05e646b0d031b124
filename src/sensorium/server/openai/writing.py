"""How the text of a chat is chosen: the fields that its endpoints share, and the text as it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from sensorium.errors import InputError, InterruptedJobError, UnsupportedError
from sensorium.operations.chat import Chat
from sensorium.server.errors import blaming
from sensorium.server.openai.fields import Fields

_FREE = ("none", "auto", None)
_SWITCHES = ("enable_thinking", "thinking")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class WritingFields(Fields):
    """What says which model writes, and how."""

    model: str | None = None
    """Which model answers; by default the profile's choice."""
    stream: bool | None = None
    """Tell the answer piece by piece (SSE)."""
    temperature: Annotated[float | None, Field(json_schema_extra={"minimum": 0, "maximum": 2})] = None
    """0 takes the likeliest token each time; that is the default for a single answer, and 1 for several."""
    top_p: Annotated[float | None, Field(json_schema_extra={"exclusiveMinimum": 0, "maximum": 1})] = None
    """Sample only from the likeliest tokens that together have this probability."""
    seed: int | None = None
    """Makes sampling repeatable."""
    stop: str | list[str] | None = None
    """The answer ends before any of these texts."""
    repetition_penalty: float | None = None
    """Above 1, words that were written before become less likely."""
    chat_template_kwargs: dict[str, Any] | None = None
    """enable_thinking or thinking: whether the model thinks before it answers, if it can; it goes before an effort."""

    @property
    def ignored(self) -> list[str]:
        """The names of the fields that mean nothing here."""
        others = sorted((self.chat_template_kwargs or {}).keys() - _SWITCHES)
        return [*super().ignored, *(f"chat_template_kwargs.{name}" for name in others)]

    def thinks(self, effort: Any) -> bool:
        """Return whether the model is to think: only if the request says so.

        Args:
            effort: How much it is to think. Models here either think or don't: ``"none"`` is no, and all else yes.

        Raises:
            InputError: What the request says is neither yes nor no.
        """
        for name in _SWITCHES:
            chosen = (self.chat_template_kwargs or {}).get(name)
            if isinstance(chosen, bool):
                return chosen
            if chosen is not None:
                with blaming("chat_template_kwargs"):
                    raise InputError(
                        f"The field chat_template_kwargs.{name} is neither true nor false", "Send one of them"
                    )
        if effort is not None and effort not in _EFFORTS:
            raise InputError(f"The effort of thinking is {str(effort)[:40]!r}", f"Send one of {', '.join(_EFFORTS)}")
        return effort not in (None, "none")

    def sampling(
        self, longest: int | None, *, effort: Any = None, number: int = 0, several: bool = False
    ) -> dict[str, Any]:
        """Return the fields of a `Chat`.

        Args:
            longest: Longest answer in tokens; None, or less than 1, to leave it to the model.
            effort: How much the model is to think, as for `thinks`.
            number: Which of several answers it is, from 0 on: each has a seed of its own.
            several: Whether there are others.
        """
        default = 1.0 if several else 0.0
        return {
            "temperature": default if self.temperature is None else self.temperature,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "seed": None if self.seed is None else self.seed + number,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop or [],
            "repetition_penalty": self.repetition_penalty,
            "max_new_tokens": longest if longest is not None and longest > 0 else None,
            "thinking": self.thinks(effort),
        }


def refuse_promises(document: Mapping[str, Any], form: Any) -> None:
    """Refuse what can't be ignored, because its sender relies on it: a call of a tool, a form of the text, sound.

    Args:
        document: The fields that aren't known here.
        form: The form that the text must have.

    Raises:
        UnsupportedError: Something of it is asked for.
    """
    choice = document.get("tool_choice")
    if choice not in _FREE:
        raise UnsupportedError("A tool must be called, and models here call none", "Leave tool_choice out")
    kind = form.get("type") if isinstance(form, Mapping) else None
    if kind not in (None, "text"):
        raise UnsupportedError(
            f"The answer must have the form {str(kind)[:60]!r}, which nothing here can promise",
            "Ask for the form in words, and check what comes",
        )
    modalities = document.get("modalities")
    if isinstance(modalities, Sequence) and "audio" in modalities:
        raise UnsupportedError(
            "Chats are answered in text, not in sound", "Read the answer aloud with /v1/audio/speech"
        )


def chat_of(messages: Sequence[Mapping[str, Any]], model: str | None, **fields: Any) -> Chat:
    """Return the operation that answers a conversation.

    Raises:
        InputError: It is no conversation, or a field is out of range.
    """
    return Chat.of({"messages": list(messages), "model": model, **fields})


class GrowingText:
    """The text of a job as its events tell it. If the job begins again, what was sent already isn't sent twice.

    Attributes:
        sent: What has been given out.
    """

    def __init__(self) -> None:
        self.sent = ""
        self._written = ""

    def grow(self, document: Mapping[str, Any]) -> str:
        """Return what an event adds.

        Raises:
            InterruptedJobError: The job has begun again, and says something else.
        """
        if document["type"] == "restarted":
            self._written = ""
        if document["type"] != "piece":
            return ""
        self._written += document["text"]
        if not self._written.startswith(self.sent[: len(self._written)]):
            raise InterruptedJobError("The answer began anew, with other words", "Ask again")
        new = self._written[len(self.sent) :]
        self.sent += new
        return new

    def rest(self, whole: str) -> str:
        """Return what is left of the whole text at the end: some models tell none of it before."""
        new = "" if self.sent else whole
        self.sent += new
        return new
