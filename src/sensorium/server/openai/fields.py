"""The fields of requests as OpenAI's clients send them: as JSON or as forms, and often more of them than are known."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile

from sensorium.engine.interface import Engine
from sensorium.errors import InputError
from sensorium.operations.media import UPLOAD, Media
from sensorium.operations.validation import refusal

IGNORED = "x-sensorium-ignored"
"""The header that lists the fields that were sent and mean nothing here."""

_PIECE = 1 << 20
_LONGEST_FIELD = 8 << 20
"""Bytes of a field that is no file: a data: URL with half a minute of sound fits."""
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_NAMEABLE = re.compile(r"[!-~]{1,100}")
_BRACKETS = re.compile(r"\[(\w*)\]")


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """Return the header that lists fields without meaning here, as far as a header can hold their names."""
    listed = ", ".join(name for name in names if _NAMEABLE.fullmatch(name))[:1000].strip(" ,")
    return {IGNORED: listed} if listed else {}


class Fields(BaseModel):
    """The fields of a request; unknown ones are accepted.

    A field that is known to OpenAI but has no meaning here is simply not declared: so it is listed as ignored too.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), use_attribute_docstrings=True)

    @property
    def ignored(self) -> list[str]:
        """The names of the fields that mean nothing here."""
        return sorted(self.model_extra or {})

    @property
    def headers(self) -> dict[str, str]:
        """The header that lists the ignored fields, if there are any."""
        return ignored_header(self.ignored)

    @classmethod
    def of(cls, document: Any, what: str) -> Self:
        """Return the fields of a JSON document or a form.

        Args:
            document: The document.
            what: What it is for, for messages: "A transcription".

        Raises:
            InputError: A field is missing or wrong.
        """
        if not isinstance(document, dict):
            raise InputError(f"{what} needs a JSON object", 'Send its fields like {"name": value}')
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            refused = refusal(what, error, cls.model_fields)
            refused.param = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"][:1]) or None
            raise refused from None


Known = TypeVar("Known", bound=Fields)


def a_list(value: Any) -> Any:
    """Return a value of a form as a list: it may have been sent once, or be left empty."""
    return [] if value in (None, "") else value if isinstance(value, list) else [value]


def or_none(value: Any) -> Any:
    """Return None for a field that a form leaves empty."""
    return None if value == "" else value


async def read_json(request: Request) -> Any:
    """Return the JSON document that a request carries.

    Raises:
        InputError: It carries none.
    """
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise InputError("The body isn't JSON", 'Send an object like {"name": value}, in UTF-8') from None


def is_form(request: Request) -> bool:
    """Return whether a request carries a form."""
    return request.headers.get("content-type", "").lower().startswith(_FORMS)


@dataclass(frozen=True)
class Form:
    """A multipart form.

    Attributes:
        fields: Its texts. ``name[]`` and repeated names are lists, ``name[key]`` is an object.
        files: Its files by name without brackets, in order.
    """

    fields: dict[str, Any]
    files: Mapping[str, list[UploadFile]]


async def read_form(request: Request) -> Form:
    """Return the form that a request carries; files lie on the disk, whatever their size.

    Raises:
        InputError: It is no form, or a broken one.
    """
    fields: dict[str, Any] = {}
    files: dict[str, list[UploadFile]] = {}
    form = await request.form(max_files=64, max_fields=256, max_part_size=_LONGEST_FIELD)
    for name, value in form.multi_items():
        plain, keys = name.partition("[")[0], _BRACKETS.findall(name)
        if isinstance(value, UploadFile):
            files.setdefault(plain, []).append(value)
        elif keys and keys[0]:
            held = fields.setdefault(plain, {})
            if not isinstance(held, dict):
                raise InputError(f"The form has {plain!r} as a text and as an object", "Send it once")
            held[keys[0]] = value
        elif keys or plain in fields:
            held = fields.setdefault(plain, [])
            fields[plain] = [*held, value] if isinstance(held, list) else [held, value]
        else:
            fields[plain] = value
    return Form(fields, files)


async def kept(
    engine: Engine, file: UploadFile, owner: str, *, purpose: str = "", expires: float | None = None
) -> Media:
    """Keep a file of a form as an upload; return the reference to it for an operation. See `Engine.receive`."""

    async def pieces() -> AsyncIterator[bytes]:
        while piece := await file.read(_PIECE):
            yield piece

    name = file.filename or "upload"
    upload = await engine.receive(pieces(), name=name, owner=owner, purpose=purpose, expires=expires)
    return Media(UPLOAD + upload.id)
