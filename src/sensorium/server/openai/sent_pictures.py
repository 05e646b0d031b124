"""Pictures as requests carry them: files of a form, or data: URIs, addresses and ids of files inside JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from starlette.datastructures import UploadFile

from sensorium.engine.interface import Engine
from sensorium.errors import InputError, UnsupportedError
from sensorium.media.content import HEAD_BYTES, describe_content, sniff_kind
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.server.errors import blaming
from sensorium.server.openai.fields import is_form, kept, read_form, read_json
from sensorium.server.openai.references import FILE, file_reference

Painting = TypeVar("Painting", bound=Operation)

TO_BE_SENT = Media("data:,")
"""Stands in an operation for a picture that is kept only once all else is known to be right."""

_FIELDS = ("image", "images", "mask")
_REMEDY = 'Send it as a file of a form, or in JSON as "image": "data:image/png;base64,…"'


@dataclass(frozen=True)
class SentPictures:
    """The picture to start from, and the mask.

    Attributes:
        image: A file, or a reference.
        mask: The same; None if there is none.
        further: Further pictures that the prompt speaks of.
    """

    image: UploadFile | Media
    mask: UploadFile | Media | None = None
    further: tuple[UploadFile | Media, ...] = ()

    async def put_into(self, operation: Painting, engine: Engine, owner: str) -> tuple[Painting, list[Media]]:
        """Return the operation with references to the pictures, and the uploads that were made for it."""
        made: dict[str, Any] = {}
        passing: list[Media] = []
        for name, sent in (("image", self.image), ("mask", self.mask)):
            if isinstance(sent, UploadFile):
                passing.append(await kept(engine, sent, owner))
                made[name] = passing[-1]
            elif sent is not None:
                made[name] = sent
        for sent in self.further:
            if isinstance(sent, UploadFile):
                passing.append(await kept(engine, sent, owner))
                sent = passing[-1]
            made["further_images"] = (*made.get("further_images", ()), sent)
        return operation.model_copy(update=made), passing


async def read_with_pictures(request: Request, *, several: bool = False) -> tuple[dict[str, Any], SentPictures]:
    """Return the fields of a request beside its pictures, and these.

    Args:
        request: A form with files ``image`` or ``image[]`` and ``mask``; or JSON with ``image`` or ``images`` and
            ``mask``, each a data: URI, an address, the id of a file, or an object with ``image_url`` or ``file_id``.
        several: Whether further pictures may follow the first.

    Raises:
        InputError: There is no picture, or it is none.
        UnsupportedError: There are several.
    """
    if is_form(request):
        form = await read_form(request)
        document: dict[str, Any] = form.fields
        files: Mapping[str, Sequence[Any]] = form.files
    else:
        document, files = await read_json(request), {}
        if not isinstance(document, dict):
            raise InputError("The request needs a JSON object", 'Send its fields like {"name": value}')
    named = {name: [*files.get(name, ()), *_listed(document.get(name))] for name in _FIELDS}
    first, further = [*named["image"], *named["images"]], []
    if several:
        first, further = first[:1], first[1:]
    pictures = SentPictures(
        await _only("image", first),
        await _only("mask", named["mask"]) if named["mask"] else None,
        tuple([await _only("image", [each]) for each in further]),
    )
    return {name: value for name, value in document.items() if name not in _FIELDS}, pictures


async def _only(name: str, sent: Sequence[Any]) -> UploadFile | Media:
    with blaming(name):
        if not sent:
            raise InputError(f"The request needs a picture as {name!r}", _REMEDY)
        if len(sent) > 1:
            raise _several(name, len(sent))
        if isinstance(sent[0], UploadFile):
            await _require_picture(sent[0])
            return sent[0]
        return _reference(sent[0])


def _several(name: str, count: int) -> UnsupportedError:
    error = UnsupportedError(
        f"{count} pictures were sent as {name!r}, and one is taken", "Send one, or join them into one"
    )
    error.param = name
    return error


def _listed(value: Any) -> list[Any]:
    if value in (None, "", []):
        return []
    return value if isinstance(value, list) else [value]


def _reference(sent: Any) -> Media:
    if isinstance(sent, Mapping):
        address = sent.get("image_url") or sent.get("url")
        sent = sent.get("file_id") or (address.get("url") if isinstance(address, Mapping) else address)
    if not isinstance(sent, str) or not sent:
        raise InputError("There is no picture in it", _REMEDY)
    return Media(file_reference(sent) if sent.startswith(FILE) else sent)


async def _require_picture(file: UploadFile) -> None:
    """Refuse a file that is no picture before it is kept."""
    head = await file.read(HEAD_BYTES)
    await file.seek(0)
    if not head:
        error = InputError("The picture's file is empty", "Send a file with something in it")
        error.code = "empty_image_file"
        raise error
    if sniff_kind(head) != "image":
        error = InputError(f"The file is no picture: it is {describe_content(head)}", "Send PNG, JPEG or WebP")
        error.code = "invalid_image_format"
        raise error
