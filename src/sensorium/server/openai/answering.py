"""Asking the engine for a request of OpenAI's API: as long as the client waits, or while it reads a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
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
    request: Request,
    engine: Engine,
    operation: Operation,
    owner: str,
    *,
    passing: Collection[Media] = (),
    durable: bool = False,
) -> Job:
    """Run an operation for a client that waits; return its job, which is done. If the client goes, it is cancelled.

    Args:
        request: Of the client; its body must have been read.
        engine: Runs it.
        operation: What to do.
        owner: For whom.
        passing: Uploads that came with the request, to be deleted with its end.
        durable: Keep the job in the database.

    Raises:
        SensoriumError: It can't be done.
        ClientDisconnect: The client has gone.
    """
    (job,) = await answered_together(request, engine, [operation], owner, passing=passing, durable=durable)
    return job


async def answered_together(
    request: Request,
    engine: Engine,
    operations: Sequence[Operation],
    owner: str,
    *,
    passing: Collection[Media] = (),
    durable: bool = False,
) -> list[Job]:
    """Run several operations likewise; return their jobs. If one fails, the others are cancelled."""
    jobs: list[Job] = []
    try:
        for operation in operations:
            jobs.append(await engine.submit(operation, owner=owner, durable=durable))
        return await while_connected(request, _all_well(engine, jobs))
    except BaseException:
        await _cancel(engine, jobs)
        raise
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
    durable: bool = False,
    goes_on: bool = False,
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
        durable: Keep the job in the database.
        goes_on: Whether the job goes on if the reader goes.
    """
    try:
        job = await engine.submit(operation, owner=owner, durable=durable)
        told: Told = engine.events(job.id)
        if begins_with:
            assert request is not None
            told = await while_connected(request, _begun(told, begins_with))
    except BaseException:
        await _discard(engine, passing)
        raise
    headers = {MODEL: model_of(job), **(headers or {})}
    return _Streamed(engine, job, written(job, told), media_type, headers, passing, cancels=not goes_on)


def followed(
    engine: Engine, job: Job, written: Callable[[Job, Told], AsyncIterator[bytes]], *, media_type: str
) -> StreamingResponse:
    """Tell an earlier job's events in the form of a stream; it goes on if the reader goes."""
    return _Streamed(engine, job, written(job, engine.events(job.id)), media_type, {}, (), cancels=False)


def model_of(job: Job) -> str:
    """Return the checkpoint that a job runs on; "" where none is needed. ``Job.model`` may name what several share."""
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


async def _all_well(engine: Engine, jobs: Sequence[Job]) -> list[Job]:
    return [ended_well(await engine.result(job.id)) for job in jobs]


async def _cancel(engine: Engine, jobs: Sequence[Job]) -> None:
    for job in jobs:
        with suppress(NotFoundError):
            await engine.cancel(job.id)


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
        *,
        cancels: bool,
    ) -> None:
        super().__init__(
            body,
            media_type=media_type,
            headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers},
        )
        self._cancels = cancels
        self._engine = engine
        self._job = job
        self._passing = passing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a reader who goes before the end cancels the job."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._cancels:
                await _cancel(self._engine, [self._job])
            await _discard(self._engine, self._passing)
