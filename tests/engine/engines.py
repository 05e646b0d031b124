"""Engines for tests: in this process, with real workers, in a folder of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from sensorium.engine.engine import LocalEngine
from sensorium.engine.job import Job, ModelState, Upload
from sensorium.engine.options import EngineOptions
from sensorium.operations.operation import Operation
from sensorium.operations.registry import operation_named

_PATIENCE_SECONDS = 120.0


@asynccontextmanager
async def running_engine(folder: Path, **options: Any) -> AsyncIterator[LocalEngine]:
    """Run an engine, and see that nothing of it is left."""
    engine = LocalEngine(EngineOptions(data=folder, **options))
    await engine.start()
    try:
        yield engine
    finally:
        pids = [worker.process.pid for worker in engine.dispatcher.pool if worker.started]
        await engine.close()
        assert not [pid for pid in pids if psutil.pid_exists(pid)]


async def sent(engine: LocalEngine, path: Path, owner: str = "") -> Upload:
    """Upload a file."""

    async def pieces() -> AsyncIterator[bytes]:
        yield path.read_bytes()

    return await engine.receive(pieces(), name=path.name, owner=owner)


def operation(name: str, **fields: Any) -> Operation:
    """Return an operation."""
    return operation_named(name).of(fields)


async def done(engine: LocalEngine, asked: Operation, **options: Any) -> Job:
    """Run an operation to its end."""
    job = await engine.submit(asked, **options)
    return await engine.result(job.id)


def loaded(engine: LocalEngine) -> list[ModelState]:
    """Return what `Engine.models` does, without a wait."""
    return [worker.state() for worker in engine.dispatcher.pool]


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is so, and return it."""
    begun = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - begun < _PATIENCE_SECONDS, "it never became so"
        await asyncio.sleep(0.01)
    return found
