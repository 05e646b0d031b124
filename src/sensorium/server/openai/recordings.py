"""Recordings as requests carry them: in a form, as base64 inside JSON, or as a stream of bare samples."""

from __future__ import annotations

import asyncio
import base64
import binascii
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from sensorium.engine.interface import Engine
from sensorium.errors import InputError
from sensorium.operations.media import UPLOAD, Media
from sensorium.server.errors import blaming
from sensorium.server.openai.fields import Fields, is_form, kept, read_form, read_json
from sensorium.text.languages import language_code

Known = TypeVar("Known", bound=Fields)

_UNKNOWN_LENGTH = 0xFFFFFFFF
_NOT_NAMED = ("", "auto", "und", "none", "null")
_BARE_RATE = 16_000


def spoken_language(name: str | None, param: str = "language") -> str | None:
    """Return the code of a language that a client names, or None if it is to be detected.

    Args:
        name: A code, a locale, an English name, or what clients send for none: "", "auto".
        param: The field that it is from.

    Raises:
        InputError: No such language is known.
    """
    if name is None or name.strip().lower() in _NOT_NAMED:
        return None
    with blaming(param):
        return language_code(name)


async def with_recording(
    request: Request, engine: Engine, owner: str, fields: type[Known], what: str
) -> tuple[Known, Media]:
    """Return the fields of a request for the words in a recording, and the recording, kept as an upload.

    Args:
        request: A form with ``file``, or JSON with ``input_audio``.
        engine: Keeps the upload.
        owner: For whom.
        fields: What is known besides.
        what: What the request is for, for messages: "A transcription".

    Raises:
        InputError: A field or the recording is missing or wrong.
    """
    if not is_form(request):
        document = await read_json(request)
        known = fields.of(document, what)
        with blaming("input_audio"):
            return known, await _kept_bytes(engine, await _decoded(document.get("input_audio")), owner)
    form = await read_form(request)
    known = fields.of(form.fields, what)
    with blaming("file"):
        if not form.files.get("file"):
            raise InputError(f"{what} needs a recording", "Send it as the file 'file' of the form")
        return known, await kept(engine, form.files["file"][0], owner)


async def kept_stream(request: Request, engine: Engine, owner: str, name: str, *, bare: bool) -> Media:
    """Keep a file of a form as an upload while it comes: it is never in memory as a whole, nor twice on the disk.

    Args:
        request: The form; nothing of its body must have been read.
        engine: Keeps the upload.
        owner: For whom.
        name: Of the file in the form.
        bare: Whether it is bare samples: mono, 16 bits, little-endian, at 16 kHz.

    Raises:
        InputError: There is no such file, it is empty, or the form is broken.
    """

    async def pieces() -> AsyncIterator[bytes]:
        if bare:
            yield _header()
        async with aclosing(_file_in_form(request, name)) as content:
            async for piece in content:
                yield piece

    with blaming(name):
        upload = await engine.receive(pieces(), name="the recording", owner=owner)
    return Media(UPLOAD + upload.id)


async def _decoded(audio: Any) -> bytes:
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(data, str) or not data:
        raise InputError("The request needs a recording", 'Send it as "input_audio": {"data": base64, "format": "wav"}')
    content = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return await asyncio.to_thread(base64.b64decode, content)
    except (binascii.Error, ValueError):
        raise InputError("The recording isn't base64", "Encode its bytes as base64, with nothing before them") from None


async def _kept_bytes(engine: Engine, data: bytes, owner: str) -> Media:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return Media(UPLOAD + (await engine.receive(pieces(), name="input_audio", owner=owner)).id)


def _header() -> bytes:
    """Return the head of a WAV file of bare samples whose number isn't known yet."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        _UNKNOWN_LENGTH,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        _BARE_RATE,
        2 * _BARE_RATE,
        2,
        16,
        b"data",
        _UNKNOWN_LENGTH,
    )


async def _file_in_form(request: Request, name: str) -> AsyncGenerator[bytes]:
    """Yield the content of a file of a form as it comes."""
    parser = _FileParser(request.headers.get("content-type", ""), name)
    some = False
    async for chunk in request.stream():
        piece = parser.feed(chunk)
        some = some or bool(piece)
        if piece:
            yield piece
    parser.finish()
    if not parser.found:
        raise InputError(f"The form has no file {name!r}", f"Send the recording as the file {name!r}")
    if not some:
        raise InputError(f"The file {name!r} is empty", "Send a recording with something in it")


class _FileParser:
    """Takes the first file of a name out of a form that comes in pieces."""

    def __init__(self, content_type: str, name: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InputError("The request is no form", f"Send multipart/form-data with the file {name!r}")
        self.found = False
        self._name = name.encode()
        self._complete = self._inside = False
        self._taken: list[bytes] = []
        self._header = self._value = b""
        self._disposition = b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._add_name,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._look,
                "on_part_data": self._take,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def feed(self, chunk: bytes) -> bytes:
        """Return what of a piece of the form belongs to the file."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise InputError("The form is broken", "Send multipart/form-data as RFC 7578 describes it") from None
        taken, self._taken = b"".join(self._taken), []
        return taken

    def finish(self) -> None:
        """Refuse a form that breaks off."""
        if not self._complete:
            raise InputError("The form breaks off before its end", "Send it whole")

    def _begin(self) -> None:
        self._header = self._value = self._disposition = b""

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _look(self) -> None:
        named = parse_options_header(self._disposition)[1].get(b"name") == self._name
        self._inside = named and not self.found
        self.found = self.found or named

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._taken.append(data[start:end])

    def _end(self) -> None:
        self._inside = False

    def _finish(self) -> None:
        self._complete = True
