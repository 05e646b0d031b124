"""How OpenAI's requests name media, as references that operations take."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from sensorium.engine.interface import Engine
from sensorium.errors import InputError
from sensorium.media.content import HEAD_BYTES, describe_content, sniff_kind
from sensorium.operations.media import UPLOAD

FILE = "file-"
"""What ids of files begin with; after it stands the upload's."""

Content: TypeAlias = dict[str, Any]
"""A part of a message, as `Chat` takes it."""

_DATA = "data:"
_FORMAT = re.compile(r"[\w.+-]{1,40}")
_LONGEST_TEXT = 1_000_000


def file_reference(file_id: str) -> str:
    """Return the reference to a file that was sent before."""
    return UPLOAD + file_id.removeprefix(FILE)


def address_in(part: Mapping[str, Any], name: str) -> str:
    """Return the reference in a part such as ``{"type": "image_url", "image_url": {"url": …}}``.

    Besides data: URIs and addresses, ``upload:ID``, ``artifact:JOB/NAME`` and the id of a file are taken.

    Args:
        part: The part.
        name: Its field, whose value is the address or an object with a ``url``.

    Raises:
        InputError: There is none.
    """
    value = part.get(name)
    address = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(address, str) or not address:
        raise InputError(f"A part with {name!r} names no medium", f'Write it like {{"{name}": {{"url": "data:…"}}}}')
    return file_reference(address) if address.startswith(FILE) else address


def sound_in(part: Mapping[str, Any]) -> str:
    """Return the data: URI of a part ``{"type": "input_audio", "input_audio": {"data": base64, "format": "wav"}}``.

    Raises:
        InputError: There is no sound in it.
    """
    sound = part.get("input_audio")
    data = sound.get("data") if isinstance(sound, Mapping) else None
    if not isinstance(sound, Mapping) or not isinstance(data, str) or not data:
        raise InputError(
            "A part of type 'input_audio' holds no sound",
            'Write it like {"type": "input_audio", "input_audio": {"data": "…base64…", "format": "wav"}}',
        )
    if data.startswith((_DATA, UPLOAD)):
        return data
    form = str(sound.get("format"))
    return f"data:audio/{form if _FORMAT.fullmatch(form) else 'unknown'};base64,{data}"


async def file_content(file: Any, engine: Engine, owner: str | None) -> Content:
    """Return what a file in a message is: a picture, a recording, a film or text.

    Args:
        file: ``{"file_id"}``, or ``{"file_data", "filename"}`` with base64 or a data: URI.
        engine: Knows the files that were sent before.
        owner: Whose they must be.

    Raises:
        InputError: There is no file in it, or a document that nothing here reads.
        NotFoundError: There is no such file.
    """
    if not isinstance(file, Mapping):
        raise InputError("A part of type 'file' holds no file", "Give its file_id, or its file_data")
    if isinstance(file.get("file_id"), str):
        reference = file_reference(file["file_id"])
        path = await engine.upload_file(reference.removeprefix(UPLOAD), owner=owner)
        return _content(await asyncio.to_thread(_beginning, path), reference, file.get("filename"))
    data = file.get("file_data")
    if not isinstance(data, str) or not data:
        raise InputError("A part of type 'file' holds no file", "Give its file_id, or its file_data")
    head, comma, rest = data.partition(",") if data.startswith(_DATA) else ("data:;base64", ",", data)
    content = _decoded(rest, in_base64=head.endswith(";base64"))
    return _content(content, head + comma + rest, file.get("filename"))


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LONGEST_TEXT + 1)


def _content(data: bytes, reference: str, name: Any) -> Content:
    """Return what a file is, judged by what it contains."""
    kind = sniff_kind(data[:HEAD_BYTES])
    if kind:
        return {"type": kind, kind: reference}
    text = _text(data)
    if text is None:
        raise InputError(
            f"A file of the conversation is {describe_content(data[:HEAD_BYTES])}, "
            "and a conversation takes pictures, recordings, films and short texts",
            "Send its pages as pictures, or its text",
        )
    return {"type": "text", "text": f"{name}:\n{text}" if isinstance(name, str) and name else text}


def _decoded(data: str, *, in_base64: bool) -> bytes:
    if not in_base64:
        return unquote_to_bytes(data)
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        raise InputError(
            "The file_data isn't base64", "Encode the file's bytes in base64, or send a data: URI"
        ) from None


def _text(content: bytes) -> str | None:
    if len(content) > _LONGEST_TEXT or b"\0" in content or content.startswith(b"%PDF"):
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
