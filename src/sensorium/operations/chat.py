"""A conversation about pictures or anything else, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.progress import Piece

if TYPE_CHECKING:
    from sensorium.answer import Answer
    from sensorium.language.messages import Turn
    from sensorium.language.sampling import SamplingOptions
    from sensorium.vision_language.llava import LLaVA


class _PartOfAChat(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TextContent(_PartOfAChat):
    """Words of a message."""

    type: Literal["text"]
    """That it is text."""
    text: str
    """The words."""


class ImageContent(_PartOfAChat):
    """A picture in a message."""

    type: Literal["image"]
    """That it is a picture."""
    image: Media
    """The picture."""


class AudioContent(_PartOfAChat):
    """A recording in a message."""

    type: Literal["audio"]
    """That it is a recording."""
    audio: Media
    """The recording."""


class VideoContent(_PartOfAChat):
    """A film in a message."""

    type: Literal["video"]
    """That it is a film."""
    video: Media
    """The film."""


Content: TypeAlias = Annotated[TextContent | ImageContent | AudioContent | VideoContent, Discriminator("type")]


def _form(content: Any) -> str:
    return "text" if isinstance(content, str) else "parts"


class ChatMessage(_PartOfAChat):
    """What one side says at a time."""

    role: Literal["system", "user", "assistant"]
    """Who says it; a system message, if there is one, comes first and says how to behave."""
    content: Annotated[Annotated[str, Tag("text")] | Annotated[tuple[Content, ...], Tag("parts")], Discriminator(_form)]
    """Text, or a list of parts: words, and in messages of the user also pictures, recordings and films."""

    @model_validator(mode="before")
    @classmethod
    def _check(cls, message: Any) -> Any:
        from sensorium.language.messages import Turn

        if isinstance(message, Mapping):
            Turn.from_dict({**message, "content": _plain(message.get("content"))})
        return message

    def turn(self, find: Callable[[Media], Any]) -> Turn:
        """Return the message as the chat's turn.

        Args:
            find: Returns what a reference to a medium stands for.
        """
        from sensorium.language.messages import MediaPart, TextPart, Turn

        if isinstance(self.content, str):
            return Turn(self.role, (TextPart(self.content),))
        return Turn(
            self.role,
            tuple(
                TextPart(part.text)
                if isinstance(part, TextContent)
                else MediaPart(part.type, find(getattr(part, part.type)))
                for part in self.content
            ),
        )


class Chat(ModelOperation):
    """Answer the last message of a conversation, which may hold pictures; the answer is told piece by piece while it is
    written."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"messages": [{"role": "user", "content": "Hello!"}]}]})

    task: ClassVar[str] = "image-chat"
    quantizable: ClassVar[bool] = True
    result: ClassVar[str] = "sensorium.answer:Answer"

    messages: Annotated[tuple[ChatMessage, ...], Field(json_schema_extra={"minItems": 1})]
    """The conversation so far, user and assistant in turn; the last message is the user's."""
    system: str | None = None
    """How to behave; the same as a system message."""
    max_new_tokens: Annotated[int | None, Field(json_schema_extra={"minimum": 1})] = None
    """Longest answer, in tokens; by default the model decides."""
    temperature: Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": 2})] = 0.0
    """0 takes the likeliest token each time; higher is more varied."""
    top_p: Annotated[float, Field(json_schema_extra={"exclusiveMinimum": 0, "maximum": 1})] = 1.0
    """Sample only from the likeliest tokens that together have this probability; 1 is all."""
    seed: Annotated[int | None, Field(json_schema_extra={"minimum": 0, "maximum": (1 << 63) - 1})] = None
    """Makes sampling repeatable; by default one is drawn. The answer tells it."""
    repetition_penalty: Annotated[float | None, Field(json_schema_extra={"exclusiveMinimum": 0, "maximum": 10})] = None
    """Above 1, words that were written before become less likely; by default what the model recommends."""
    stop: tuple[str, ...] = ()
    """The answer ends before any of these texts."""
    thinking: bool = False
    """Let the model think before it answers, if it can; its thoughts are neither told nor counted as the answer."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        from sensorium.language.messages import read_conversation
        from sensorium.language.sampling import choose_sampling

        read_conversation([message.turn(str) for message in self.messages], system=self.system)
        choose_sampling(1, **self._sampling)
        return self

    def opened(self, tasks: Tasks, report: Reporter) -> LLaVA:
        """Return what talks about pictures."""
        from sensorium.vision_language.llava import LLaVA

        return tasks.open((LLaVA, self.opening_key), lambda: LLaVA(self.model, **self.opening(tasks)), report)

    def run(self, tasks: Tasks, report: Reporter) -> Answer:
        """Write the answer, telling each `Piece`."""
        llava = self.opened(tasks, report)
        turns = [message.turn(tasks.media) for message in self.messages]
        with llava.stream(None, turns, system=self.system, cancel=report, **self._sampling) as pieces:
            for piece in pieces:
                report(Piece(piece))
        return pieces.result

    @property
    def _sampling(self) -> SamplingOptions:
        return {
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "repetition_penalty": self.repetition_penalty,
            "stop": self.stop,
            "thinking": self.thinking,
        }


def _plain(content: Any) -> Any:
    if not isinstance(content, (list, tuple)):
        return content
    return [part.model_dump() if isinstance(part, BaseModel) else part for part in content]
