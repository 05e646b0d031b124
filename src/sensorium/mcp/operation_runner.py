"""Who runs an agent's operations: an engine in this process, or a server elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import anyio
import anyio.to_thread

from sensorium.engine.interface import Engine
from sensorium.operations.operation import Operation

Hear: TypeAlias = Callable[[Mapping[str, Any]], Coroutine[Any, Any, None]]
"""Told each event of a job, as its document."""


class OperationRunner(Protocol):
    """Runs operations for agents. Whoever asks is told apart by ``owner``; "" where nobody is."""

    async def run(self, operation: Operation, owner: str, hear: Hear) -> Mapping[str, Any]:
        """Run an operation as a job; return the job that has ended, as its document. If cancelled, the job is, too.

        Raises:
            SensoriumError: It isn't accepted.
        """

    async def job(self, job: str, owner: str) -> Mapping[str, Any]:
        """Return a job as its document.

        Raises:
            NotFoundError: There is none.
        """

    async def file(self, job: str, name: str, owner: str) -> tuple[Path, str]:
        """Return the file of an artifact, and its media type.

        Raises:
            NotFoundError: There is none.
        """

    async def receive(self, file: BinaryIO, name: str, owner: str) -> str:
        """Take a file that is open for reading bytes; return the id of the upload that it becomes.

        Raises:
            SensoriumError: It is too large, or there is no room.
        """

    async def discard(self, upload: str, owner: str) -> None:
        """Delete an upload once no job uses it."""


class EngineRunner:
    """Runs operations on an engine.

    Args:
        engine: Started by whoever made it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, operation: Operation, owner: str, hear: Hear) -> Mapping[str, Any]:
        """Run an operation as a job that lives as long as somebody waits for it."""
        job = await self._engine.submit(operation, owner=owner, durable=False)
        ended: Mapping[str, Any] = {}
        try:
            async with aclosing(self._engine.events(job.id)) as events:  # type: ignore[type-var]
                async for event in events:
                    if event.document["type"] == "ended":
                        ended = event.document["job"]
                        break
                    await hear(event.document)
        except BaseException:
            # The agent has called the tool off, or its connection is gone.
            with anyio.CancelScope(shield=True):
                await self._engine.cancel(job.id)
            raise
        return ended

    async def job(self, job: str, owner: str) -> Mapping[str, Any]:
        """Return a job."""
        return (await self._engine.job(job, owner=owner)).to_dict()

    async def file(self, job: str, name: str, owner: str) -> tuple[Path, str]:
        """Return the file of an artifact, and its media type."""
        return await self._engine.artifact(job, name, owner=owner)

    async def receive(self, file: BinaryIO, name: str, owner: str) -> str:
        """Take an open file."""
        return (await self._engine.receive(_pieces(file), name=name, owner=owner)).id

    async def discard(self, upload: str, owner: str) -> None:
        """Delete an upload once no job uses it."""
        await self._engine.discard(upload, owner=owner)


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await anyio.to_thread.run_sync(file.read, 1 << 20):
        yield piece
