"""Asking the engine for a request of OpenAI's API: as long as the client waits, or while it reads a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypeAlias

from fastapi import Request
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job, JobEvent
from sensorium.errors import NotFoundError, SensoriumError
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.registry import operation_named
from sensorium.server.disconnect import while_connected
from sensorium.server.errors import error_body, error_status, unexpected
from sensorium.server.events import with_silences
from sensorium.server.operations import ended_well

MODEL = "x-sensorium-model"
"""The header that says which checkpoint has answered."""

Told: TypeAlias = AsyncIterator[JobEvent]


async def answered(
    request: Request, engine: Engine, operation: Operation, owner: str, *, passing: Collection[Media] = ()
) -> Job:
    """Run an operation for a client that waits; return its job, which is done. If the client goes, it is cancelled.

    Args:
        request: Of the client; its body must have been read.
        engine: Runs it.
        operation: What to do.
        owner: For whom.
        passing: Uploads that came with the request, to be deleted with its end.

    Raises:
        SensoriumError: It can't be done.
        ClientDisconnect: The client has gone.
    """
    try:
        job = await engine.submit(operation, owner=owner, durable=False)
        return ended_well(await while_connected(request, engine.result(job.id)))
    finally:
        await _discard(engine, passing)


async def streamed(
    engine: Engine,
    operation: Operation,
    owner: str,
    written: Callable[[Job, Told], AsyncIterator[bytes]],
    *,
    media_type: str,
    headers: dict[str, str] | None = None,
    passing: Collection[Media] = (),
    request: Request | None = None,
    begins_with: Collection[str] = (),
) -> StreamingResponse:
    """Run an operation for a client that reads a stream.

    What is refused before anything runs is an ordinary error; what fails later, ``written`` must tell in its own form.

    Args:
        engine: Runs it.
        operation: What to do.
        owner: For whom.
        written: Gives the bytes of the answer, from the job and its events.
        media_type: Of the answer.
        headers: Further headers.
        passing: Uploads that came with the request, to be deleted with its end.
        request: Of the client, for ``begins_with``.
        begins_with: Types of events before which the answer doesn't begin, so that what fails until then is an ordinary
            error too.
    """
    try:
        job = await engine.submit(operation, owner=owner, durable=False)
        told: Told = engine.events(job.id)
        if begins_with:
            assert request is not None
            told = await while_connected(request, _begun(told, begins_with))
    except BaseException:
        await _discard(engine, passing)
        raise
    return _Streamed(engine, job, written(job, told), media_type, headers or {}, passing)


def model_of(job: Job) -> str:
    """Return the checkpoint that a job runs on; "" where none is needed. ``Job.model`` may name what several share."""
    if job.result is not None and job.result.get("model"):
        return str(job.result["model"])
    checkpoints = operation_named(job.operation).of(dict(job.arguments)).checkpoints()
    return checkpoints[0].name if checkpoints else ""


def as_events(shaped: Callable[[JobEvent], Iterable[Mapping[str, Any]]]) -> Callable[[Job, Told], AsyncIterator[bytes]]:
    """Return what writes a stream of events (SSE), with comments in silences, and with errors as OpenAI sends them.

    Args:
        shaped: Gives what is sent for an event of the job; a `SensoriumError` that it raises ends the stream.
    """

    async def written(job: Job, told: Told) -> AsyncIterator[bytes]:
        try:
            async with aclosing(with_silences(told)) as heard:
                async for event in heard:
                    if event is None:
                        yield KEEPALIVE_COMMENT
                        continue
                    for document in shaped(event):
                        yield message(document)
        except SensoriumError as error:
            yield message(error_body(error, error_status(error)))
        except Exception:
            # The answer has begun: this is the only way left to tell.
            yield message(error_body(unexpected(), 500))
            raise

    return written


def message(document: Mapping[str, Any]) -> bytes:
    """Return a document as a message of a stream of events; its ``type`` is the event's too."""
    return format_sse_event(data_str=json.dumps(document, ensure_ascii=False), event=document.get("type"))


async def _begun(told: Told, kinds: Collection[str]) -> Told:
    """Return the events of a job once one of these types, or the end, is among them.

    Raises:
        SensoriumError: It has ended without being done.
    """
    held: list[JobEvent] = []
    async for event in told:
        held.append(event)
        if event.document["type"] == "ended":
            ended_well(Job.from_dict(event.document["job"]))
            break
        if event.document["type"] in kinds:
            break
    return _from(held, told)


async def _from(held: list[JobEvent], told: Told) -> Told:
    try:
        for event in held:
            yield event
        async for event in told:
            yield event
    finally:
        close = getattr(told, "aclose", None)
        if close is not None:
            await close()


async def _discard(engine: Engine, uploads: Collection[Media]) -> None:
    for media in uploads:
        if media.upload is not None:
            with suppress(NotFoundError):
                await engine.discard(media.upload)


class _Streamed(StreamingResponse):
    def __init__(
        self,
        engine: Engine,
        job: Job,
        body: AsyncIterator[bytes],
        media_type: str,
        headers: dict[str, str],
        passing: Collection[Media],
    ) -> None:
        super().__init__(
            body,
            media_type=media_type,
            headers={"cache-control": "no-cache", "x-accel-buffering": "no", MODEL: model_of(job), **headers},
        )
        self._engine = engine
        self._job = job
        self._passing = passing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a reader who goes before the end cancels the job."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with suppress(NotFoundError):
                await self._engine.cancel(self._job.id)
            await _discard(self._engine, self._passing)
