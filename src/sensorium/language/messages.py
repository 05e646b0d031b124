"""Conversations: what a turn is made of, in which order turns come, and OpenAI's way of writing them."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from sensorium.errors import InputError
from sensorium.language.written_language import require_characters
from sensorium.media.limits import DEFAULT_LIMITS, Limits

Role: TypeAlias = Literal["system", "user", "assistant"]
ROLES = ("system", "user", "assistant")

MediaKind: TypeAlias = Literal["image", "audio", "video"]
_WORDS = {"image": "a picture", "audio": "a recording", "video": "a film"}
_ADDRESSES = ("http://", "https://", "data:")


@dataclass(frozen=True)
class TextPart:
    """Words of a turn."""

    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the part as a dict, ready for ``json.dumps``."""
        return {"type": "text", "text": self.text}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the part that `to_dict` made a document of.

        Raises:
            InputError: It is no such document.
        """
        part = _part(document)
        if not isinstance(part, cls):
            raise _no_part()
        return part


@dataclass(frozen=True)
class MediaPart:
    """A picture, recording or film in a turn.

    Attributes:
        kind: ``"image"``, ``"audio"`` or ``"video"``.
        source: Whatever `sensorium.media` opens: a path, an address, a data: URI, bytes, an open file; for a picture
            also a PIL image or an array.
    """

    kind: MediaKind
    source: Any

    def to_dict(self, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
        """Return the part as a dict, ready for ``json.dumps``: an address or absolute path, or the file itself in a
        data: URI.

        Args:
            limits: What a file that is given as bytes, or open, may cost.

        Raises:
            InputError: The source can't be read.
        """
        return {"type": self.kind, self.kind: source_as_text(self.kind, self.source, limits=limits)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the part that a dict describes, in our own words or in OpenAI's.

        Raises:
            InputError: It is no such document.
        """
        part = _part(document)
        if not isinstance(part, cls):
            raise _no_part()
        return part


Part: TypeAlias = TextPart | MediaPart


@dataclass(frozen=True)
class Turn:
    """What one side says at a time.

    Attributes:
        role: ``"system"``, ``"user"`` or ``"assistant"``.
        parts: Words and media, in their order; two parts in a row are never both words.
    """

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """Its words without the media."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def media(self) -> list[MediaPart]:
        """Its pictures, recordings and films."""
        return [part for part in self.parts if isinstance(part, MediaPart)]

    def to_dict(self, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
        """Return the turn as a message, ready for ``json.dumps``: plain text where there is nothing else.

        ``limits`` and errors are those of `MediaPart.to_dict`.
        """
        if not self.media:
            return {"role": self.role, "content": self.text}
        parts = [part.to_dict(limits=limits) if isinstance(part, MediaPart) else part.to_dict() for part in self.parts]
        return {"role": self.role, "content": parts}

    @classmethod
    def from_dict(cls, message: Mapping[str, Any]) -> Self:
        """Return the turn that a message is.

        Raises:
            InputError: It has no known role, nothing is in it, a part is of an unknown type, or a character of its
                text is not valid Unicode.
        """
        role = message.get("role") if isinstance(message, Mapping) else None
        if role not in ROLES:
            raise InputError(
                f"A turn of the conversation has no role among {', '.join(ROLES)}",
                'Write each turn as {"role": "user", "content": "…"}',
            )
        content = message.get("content")
        parts = [TextPart(content)] if isinstance(content, str) else list(_parts(content, role))
        turn = cls(role, tuple(_joined(parts, "\n")))
        if not turn.parts:
            raise InputError(f"A turn of the {role} is empty", "Give each turn some text")
        require_characters(turn.text, what=f"turn of the {role}")
        return turn


Message: TypeAlias = Mapping[str, Any] | Turn
"""One turn: ``{"role": "system" | "user" | "assistant", "content": text}``, or a `Turn`.

Instead of text the content may be a list of parts: text, `TextPart`, `MediaPart`, or dicts such as
``{"type": "text", "text": "What is this?"}``, ``{"type": "image", "image": "cat.jpg"}``, and likewise for ``"audio"``
and ``"video"``. OpenAI's ``image_url``, ``input_audio`` and ``video_url`` are understood too."""


def read_conversation(
    messages: Sequence[Message], *, system: str | None = None, media: Sequence[MediaPart] = ()
) -> list[Turn]:
    """Return a conversation as turns: at most one system turn, then user and assistant alternating, the user last.

    Several turns of one role in a row become one.

    Args:
        messages: As the caller wrote them.
        system: Becomes the system turn.
        media: Joins the first turn of the user, in front.

    Raises:
        InputError: A turn has no known role or is empty, the turns are out of order, or a character of the system
            prompt is not valid Unicode.
    """
    turns = [_merged(list(some)) for _, some in groupby(map(_turn, messages), key=lambda turn: turn.role)]
    if system:
        if turns and turns[0].role == "system":
            raise InputError("There are two system prompts", "Give system=… or a system turn, not both")
        require_characters(system, what="system prompt")
        turns.insert(0, Turn("system", (TextPart(system),)))
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    if not spoken or spoken[-1].role != "user":
        raise InputError("The conversation does not end with a turn of the user", "Put the question last")
    if any(turn.role == "system" for turn in spoken):
        raise InputError("A system turn stands in the middle of the conversation", "Put it first")
    if spoken[0].role != "user":
        raise InputError("The conversation begins with a turn of the assistant", "Let the user begin")
    for turn in turns:
        if turn.role != "user" and turn.media:
            raise InputError(
                f"A turn of the {turn.role} holds {_WORDS[turn.media[0].kind]}", "Put it into a turn of the user"
            )
    first = turns.index(spoken[0])
    turns[first] = replace(spoken[0], parts=(*media, *spoken[0].parts))
    return turns


def user_turn(text: str, images: Sequence[Any] = ()) -> Turn:
    """Return a turn of the user with pictures in front of the words, if there are any."""
    words = (TextPart(text),) if text else ()
    return Turn("user", (*(MediaPart("image", image) for image in images), *words))


def source_as_text(kind: MediaKind, source: Any, *, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return an address or an absolute path, or else the file itself in a data: URI; a picture in memory as PNG.

    Args:
        kind: What it is.
        source: As for `MediaPart`.
        limits: What a file that is given as bytes, or open, may cost.

    Raises:
        InputError: It can't be read, or costs too much.
    """
    if isinstance(source, str) and source[:8].lower().startswith(_ADDRESSES):
        return source
    if isinstance(source, (str, os.PathLike)):
        return str(Path(source).absolute())
    if kind == "image":
        from sensorium.media.image import read_image

        file = io.BytesIO()
        read_image(source, limits=limits).save(file, "PNG")
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    from sensorium.media.source import resolve

    with resolve(source, limits=limits).open() as opened:
        data = opened.read()
    return f"data:{kind}/unknown;base64,{base64.b64encode(data).decode()}"


def _turn(message: Message) -> Turn:
    if isinstance(message, Turn):
        message = {"role": message.role, "content": message.parts}
    return Turn.from_dict(message)


def _parts(content: Any, role: str) -> Iterator[Part]:
    if not isinstance(content, (list, tuple)):
        raise InputError(f"A turn of the {role} is empty", "Give each turn some text")
    for item in content:
        if isinstance(item, (TextPart, MediaPart)):
            yield item
        elif isinstance(item, str):
            yield TextPart(item)
        else:
            yield _part(item)


def _part(item: Any) -> Part:
    """Return the part that a dict describes, in our own words or in OpenAI's."""
    kind = item.get("type") if isinstance(item, Mapping) else None
    match kind:
        case "text" if isinstance(item.get("text"), str):
            return TextPart(item["text"])
        case "image" | "audio" | "video" if item.get(kind) is not None:
            return MediaPart(kind, item[kind])
        case "image_url" | "video_url" | "audio_url":
            address = item.get(kind)
            address = address.get("url") if isinstance(address, Mapping) else address
            if isinstance(address, str) and address:
                return MediaPart(kind.removesuffix("_url"), address)
        case "input_audio":
            sound = item.get(kind)
            if isinstance(sound, Mapping) and isinstance(sound.get("data"), str):
                return MediaPart("audio", f"data:audio/{sound.get('format', 'wav')};base64,{sound['data']}")
    raise _no_part()


def _no_part() -> InputError:
    return InputError(
        "A part of a turn is neither text nor a picture, a recording or a film",
        'Write parts like {"type": "text", "text": "…"} and {"type": "image", "image": "cat.jpg"}',
    )


def _merged(turns: Sequence[Turn]) -> Turn:
    return Turn(turns[0].role, tuple(_joined([part for turn in turns for part in turn.parts], "\n\n")))


def _joined(parts: Sequence[Part], between: str) -> Iterator[Part]:
    """Make one part of words that follow each other; leave out those that say nothing."""
    held: list[str] = []
    for part in parts:
        if isinstance(part, TextPart):
            held += [part.text] if part.text.strip() else []
            continue
        if held:
            yield TextPart(between.join(held))
            held = []
        yield part
    if held:
        yield TextPart(between.join(held))
