"""Asking the engine for a request of OpenAI's API: as long as the client waits, or while it reads a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TypeAlias

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job, JobEvent
from sensorium.errors import NotFoundError
from sensorium.operations.operation import Operation
from sensorium.server.disconnect import while_connected
from sensorium.server.operations import ended_well

MODEL = "x-sensorium-model"
"""The header that says which checkpoint has answered."""

Told: TypeAlias = AsyncIterator[JobEvent]


async def answered(request: Request, engine: Engine, operation: Operation, owner: str) -> Job:
    """Run an operation for a client that waits; return its job, which is done. If the client goes, it is cancelled.

    Raises:
        SensoriumError: It can't be done.
        ClientDisconnect: The client has gone.
    """
    job = await engine.submit(operation, owner=owner, durable=False)
    return ended_well(await while_connected(request, engine.result(job.id)))


async def streamed(
    engine: Engine,
    operation: Operation,
    owner: str,
    written: Callable[[Job, Told], AsyncIterator[bytes]],
    *,
    media_type: str,
    headers: dict[str, str] | None = None,
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
    """
    job = await engine.submit(operation, owner=owner, durable=False)
    return _Streamed(engine, job, written, media_type, headers or {})


class _Streamed(StreamingResponse):
    def __init__(
        self,
        engine: Engine,
        job: Job,
        written: Callable[[Job, Told], AsyncIterator[bytes]],
        media_type: str,
        headers: dict[str, str],
    ) -> None:
        super().__init__(
            written(job, engine.events(job.id)),
            media_type=media_type,
            headers={"cache-control": "no-cache", "x-accel-buffering": "no", MODEL: job.model, **headers},
        )
        self._engine = engine
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a reader who goes before the end cancels the job."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with suppress(NotFoundError):
                await self._engine.cancel(self._job.id)
