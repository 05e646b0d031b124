"""Conversations as OpenAI's clients write them, as the messages that `Chat` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sensorium.engine.interface import Engine
from sensorium.errors import InputError
from sensorium.server.openai.references import Content, address_in, file_content, file_reference, sound_in

Message: TypeAlias = dict[str, Any]
"""``{"role", "content"}``, as `Chat` takes it."""

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_WITH_TOOLS = ("tool", "function")
_WORDS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
_ADDRESSES = {"image_url": "image", "video_url": "video", "audio_url": "audio"}


async def read_messages(messages: Sequence[Any], engine: Engine, owner: str | None) -> list[Message]:
    """Return the messages of a conversation; what the system says stands in one message in front.

    Args:
        messages: Of ``/v1/chat/completions``, or the items of ``/v1/responses``.
        engine: Knows the files that were sent before.
        owner: Whose they must be.

    Raises:
        InputError: They are no conversation, or hold what nothing here reads.
        NotFoundError: They name a file that there isn't.
    """
    read = [await _message(message, engine, owner) for message in messages]
    # An empty answer of an earlier model says nothing, and most models take none.
    said = [message for message in read if message["content"] or message["role"] != "assistant"]
    system = [part for message in said if message["role"] == "system" for part in message["content"]]
    spoken = [message for message in said if message["role"] != "system"]
    return [*([{"role": "system", "content": system}] if system else []), *spoken]


def words_of(message: Message) -> str:
    """Return the words of a message without its media."""
    return "\n".join(part["text"] for part in message["content"] if part["type"] == "text")


async def _message(message: Any, engine: Engine, owner: str | None) -> Message:
    if not isinstance(message, Mapping):
        raise InputError("A message isn't an object", 'Write each like {"role": "user", "content": "…"}')
    kind = message.get("type") or "message"
    if kind != "message":
        raise InputError(
            f"The conversation holds an item of type {str(kind)[:60]!r}, and nothing here knows what to do with it",
            "Send messages only",
        )
    role = str(message.get("role"))
    if role in _WITH_TOOLS or message.get("tool_calls") or message.get("function_call"):
        raise InputError("The conversation holds calls of tools, and models here call none", "Leave them out")
    if role not in _ROLES:
        raise InputError(f"A message has the role {role[:60]!r}", f"Use one of {', '.join(_ROLES)}")
    return {"role": _ROLES[role], "content": [part async for part in _parts(message.get("content"), engine, owner)]}


async def _parts(content: Any, engine: Engine, owner: str | None) -> Any:
    if content is None or isinstance(content, str):
        if content:
            yield {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        raise InputError("The content of a message is neither text nor a list of parts", "Send one of the two")
    for part in content:
        if isinstance(part, str):
            yield {"type": "text", "text": part}
        elif isinstance(part, Mapping):
            yield await _part(part, engine, owner)
        else:
            raise InputError("A part of a message isn't an object", 'Write each like {"type": "text", "text": "…"}')


async def _part(part: Mapping[str, Any], engine: Engine, owner: str | None) -> Content:
    kind = str(part.get("type"))
    if kind in _WORDS:
        text = part.get(_WORDS[kind])
        if not isinstance(text, str):
            raise InputError(f"A part of type {kind!r} has no text", f'Write it like {{"type": "{kind}", "text": "…"}}')
        return {"type": "text", "text": text}
    if kind in _ADDRESSES:
        medium = _ADDRESSES[kind]
        return {"type": medium, medium: address_in(part, kind)}
    if kind == "input_audio":
        return {"type": "audio", "audio": sound_in(part)}
    if kind == "input_image":
        file = part.get("file_id")
        return {
            "type": "image",
            "image": file_reference(file) if isinstance(file, str) else address_in(part, "image_url"),
        }
    if kind == "file":
        return await file_content(part.get("file"), engine, owner)
    if kind == "input_file":
        if isinstance(part.get("file_url"), str):
            raise InputError("A file can't be named by its address here", "Send it as file_id or file_data")
        return await file_content(part, engine, owner)
    raise InputError(
        f"A message holds a part of type {kind[:60]!r}, and nothing here knows what to do with it",
        "Send text, image_url, input_audio, video_url or file",
    )
