"""``/v1/files``: files that are kept to be named in later requests, and what batches write."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from sensorium.engine.interface import Engine
from sensorium.engine.job import Upload
from sensorium.errors import InputError, NotFoundError
from sensorium.operations.media import UPLOAD
from sensorium.server.engine_of import TheEngine, TheOwner, TheReach
from sensorium.server.errors import blaming
from sensorium.server.openai.documented import described
from sensorium.server.openai.fields import Fields, is_form, kept, read_form
from sensorium.server.openai.references import FILE, file_reference

Purpose: TypeAlias = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]

BATCH_OUTPUT = "batch_output"
"""The purpose of files that batches write."""

_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals", BATCH_OUTPUT)
_SHORTEST_LIFE, _LONGEST_LIFE = 3600, 2_592_000
_MOST_LISTED = 10_000


class FileFields(Fields):
    """What is said of a file."""

    purpose: Purpose
    """What it is for; "batch" for requests, "vision" or "user_data" for media."""
    expires_after: dict[str, Any] | None = None
    """When it is deleted: {"anchor": "created_at", "seconds": 3600 to 2592000}; by default not before you do."""


def files_router() -> APIRouter:
    """Return the endpoints of files."""
    router = APIRouter(prefix="/v1/files", tags=["files"])

    @router.post(
        "",
        openapi_extra=described(FileFields, as_json=False, files={"file": "What to keep."}),
    )
    async def create(request: Request, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Keep a file; its id can be named wherever a request takes a picture, a recording or a film."""
        if not is_form(request):
            raise InputError("A file comes as a form", "Send multipart/form-data with 'file' and 'purpose'")
        form = await read_form(request)
        fields = FileFields.of(form.fields, "A file")
        seconds = life_of(fields.expires_after)
        with blaming("file"):
            if len(form.files.get("file", ())) != 1:
                raise InputError("A file comes as 'file' of a form", "Send one at a time")
            media = await kept(
                engine,
                form.files["file"][0],
                owner,
                purpose=fields.purpose,
                expires=None if seconds is None else time.time() + seconds,
            )
        return file_object(await engine.upload(media.removeprefix(UPLOAD)))

    @router.get("")
    async def list_files(
        engine: TheEngine,
        owner: TheReach,
        purpose: Annotated[str | None, Query(description="Only those for this.")] = None,
        after: Annotated[str | None, Query(description="Only those that follow the file with this id.")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_LISTED)] = _MOST_LISTED,
        order: Literal["asc", "desc"] = "desc",
    ) -> dict[str, Any]:
        """List files, the newest first."""
        purposes = [each for each in _PURPOSES if purpose in (None, each)]
        if not purposes:
            return page([], more=False)
        with blaming("after"):
            found = await engine.uploads(
                purposes,
                owner=owner,
                limit=limit + 1,
                after=None if after is None else after.removeprefix(FILE),
                newest_first=order == "desc",
            )
        return page([file_object(each) for each in found[:limit]], more=len(found) > limit)

    @router.get("/{file}")
    async def show(file: str, engine: TheEngine, owner: TheReach) -> dict[str, Any]:
        """Show what is known of a file."""
        return file_object(await file_named(file, engine, owner))

    @router.get("/{file}/content", response_class=FileResponse)
    async def content(file: str, engine: TheEngine, owner: TheReach) -> FileResponse:
        """Send a file; parts of it by ranges."""
        known = await file_named(file, engine, owner)
        path = await engine.upload_file(known.id, owner=owner)
        return FileResponse(path, media_type="application/octet-stream", filename=known.name)

    @router.delete("/{file}")
    async def delete(file: str, engine: TheEngine, owner: TheReach) -> dict[str, Any]:
        """Delete a file; what was given it already keeps it."""
        known = await file_named(file, engine, owner)
        await engine.discard(known.id, owner=owner)
        return {"id": FILE + known.id, "object": "file", "deleted": True}

    return router


async def file_named(file: str, engine: Engine, owner: str | None) -> Upload:
    """Return a file.

    Raises:
        NotFoundError: There is none.
    """
    known = await engine.upload(file_reference(file).removeprefix(UPLOAD), owner=owner)
    if not known.purpose:
        raise NotFoundError(f"There is no file {file[:100]!r}", "/v1/files lists those there are")
    return known


def file_object(upload: Upload) -> dict[str, Any]:
    """Return what an answer says of a file."""
    return {
        "id": FILE + upload.id,
        "object": "file",
        "bytes": upload.size,
        "created_at": int(upload.created),
        "expires_at": None if upload.expires is None else int(upload.expires),
        "filename": upload.name,
        "purpose": upload.purpose,
        "status": "processed",
        "status_details": None,
    }


def page(data: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    """Return a page of a list."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more}


def life_of(expires_after: dict[str, Any] | None, param: str = "expires_after") -> int | None:
    """Return for how many seconds a file lives; None until it is deleted.

    Raises:
        InputError: This says nothing of the kind.
    """
    if expires_after is None:
        return None
    with blaming(param):
        seconds = str(expires_after.get("seconds"))
        known = expires_after.get("anchor", "created_at") == "created_at" and seconds.isascii() and seconds.isdigit()
        if not known or not _SHORTEST_LIFE <= int(seconds[:10]) <= _LONGEST_LIFE:
            raise InputError(
                f"{param} can't be {str(expires_after)[:60]}",
                f'Write {{"anchor": "created_at", "seconds": {_SHORTEST_LIFE} to {_LONGEST_LIFE}}}',
            )
        return int(seconds)
