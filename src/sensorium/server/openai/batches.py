"""``/v1/batches``: many requests in a file, answered in the background."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Literal, TypeAlias, cast

from fastapi import APIRouter, Depends, Query, Request

from sensorium.errors import InputError
from sensorium.server.engine_of import TheEngine, TheOwner, TheReach
from sensorium.server.errors import blaming
from sensorium.server.openai.batch import Batch, Batches, new_id
from sensorium.server.openai.documented import described
from sensorium.server.openai.fields import Fields, read_json
from sensorium.server.openai.files import file_named, life_of, page
from sensorium.server.openai.references import FILE

Endpoint: TypeAlias = Literal[
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
]

_WINDOW = re.compile(r"([1-9]\d{0,2})h")
_HOUR = 3600.0
_MOST_NOTES = 16
_LONGEST_NAME, _LONGEST_NOTE = 64, 512
_MOMENTS = (
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
)


class BatchFields(Fields):
    """What is asked of a batch."""

    input_file_id: str
    """A file with the purpose "batch": on each line {"custom_id", "method": "POST", "url", "body"}."""
    endpoint: Endpoint
    """What its requests are for."""
    completion_window: str = "24h"
    """How long it may take, in hours."""
    metadata: dict[str, str] | None = None
    """Up to 16 notes of your own."""
    output_expires_after: dict[str, Any] | None = None
    """When its files are deleted: {"anchor": "created_at", "seconds": 3600 to 2592000}."""


def batches_of(request: Request) -> Batches:
    """Return the batches of an application."""
    return cast(Batches, request.app.state.batches)


TheBatches: TypeAlias = Annotated[Batches, Depends(batches_of)]


def batches_router() -> APIRouter:
    """Return the endpoints of batches."""
    router = APIRouter(prefix="/v1/batches", tags=["batches"])

    @router.post("", openapi_extra=described(BatchFields))
    async def create(request: Request, engine: TheEngine, owner: TheOwner, batches: TheBatches) -> dict[str, Any]:
        """Answer the requests of a file in the background; the answers become a file."""
        fields = BatchFields.of(await read_json(request), "A batch")
        _check_notes(fields.metadata)
        with blaming("input_file_id"):
            file = await file_named(fields.input_file_id, engine, owner)
            if file.purpose != "batch":
                raise InputError(
                    f"The file {fields.input_file_id} was sent for {file.purpose!r}", "Send it with purpose 'batch'"
                )
        now = time.time()
        batch = Batch(
            id=new_id(),
            owner=owner,
            endpoint=fields.endpoint,
            input_file=file.id,
            address=str(request.base_url),
            window=fields.completion_window,
            expires=now + _hours(fields.completion_window) * _HOUR,
            metadata=fields.metadata,
            output_life=life_of(fields.output_expires_after, "output_expires_after"),
            moments={"created": now},
        )
        return batch_object(await batches.create(batch))

    @router.get("")
    async def list_batches(
        batches: TheBatches,
        owner: TheReach,
        after: Annotated[str | None, Query(description="Only those that follow the batch with this id.")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> dict[str, Any]:
        """List batches, the newest first."""
        with blaming("after"):
            found = await batches.batches(owner, after=after, limit=limit + 1)
        return page([batch_object(each) for each in found[:limit]], more=len(found) > limit)

    @router.get("/{batch}")
    async def show(batch: str, batches: TheBatches, owner: TheReach) -> dict[str, Any]:
        """Show how far a batch is."""
        return batch_object(await batches.batch(batch, owner))

    @router.post("/{batch}/cancel")
    async def cancel(batch: str, batches: TheBatches, owner: TheReach) -> dict[str, Any]:
        """Give a batch up; what is answered already becomes a file all the same."""
        return batch_object(await batches.cancel(batch, owner))

    return router


def batch_object(batch: Batch) -> dict[str, Any]:
    """Return what an answer says of a batch."""
    moments = {f"{name}_at": _whole(batch.moments.get(name)) for name in _MOMENTS}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": [dict(each) for each in batch.errors]} if batch.errors else None,
        "input_file_id": FILE + batch.input_file,
        "completion_window": batch.window,
        "status": batch.status,
        "output_file_id": FILE + batch.output_file if batch.output_file else None,
        "error_file_id": FILE + batch.error_file if batch.error_file else None,
        "created_at": _whole(batch.moments["created"]),
        "expires_at": _whole(batch.expires),
        **moments,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": None if batch.metadata is None else dict(batch.metadata),
    }


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def _hours(window: str) -> int:
    found = _WINDOW.fullmatch(window)
    if found is None:
        with blaming("completion_window"):
            raise InputError(f"The window {window[:60]!r} can't be", 'Give hours, such as "24h"')
    return int(found[1])


def _check_notes(notes: dict[str, str] | None) -> None:
    if notes is None:
        return
    fits = all(len(name) <= _LONGEST_NAME and len(note) <= _LONGEST_NOTE for name, note in notes.items())
    if len(notes) > _MOST_NOTES or not fits:
        with blaming("metadata"):
            raise InputError(
                "The metadata are too much",
                f"Give up to {_MOST_NOTES} notes of {_LONGEST_NOTE} letters, with names of {_LONGEST_NAME}",
            )
