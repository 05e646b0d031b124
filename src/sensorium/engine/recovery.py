"""What an earlier engine left unfinished: queued jobs run, running ones run again once."""

from __future__ import annotations

import asyncio

from sensorium.engine.job import Job
from sensorium.engine.job_store import JobStore
from sensorium.engine.live_job import LiveJob
from sensorium.engine.options import STARTER, EngineOptions
from sensorium.engine.placement import Placement, WorkerKey, place
from sensorium.errors import InterruptedJobError, SensoriumError
from sensorium.operations.operation import Operation
from sensorium.operations.registry import operation_named

_MOST_ATTEMPTS = 2
_MOST_UNWRITTEN = 100_000


async def recover(store: JobStore, options: EngineOptions, gpus: int) -> list[LiveJob]:
    """Return the unfinished jobs in the order of the queue: to be queued again, or ended with an error.

    Args:
        store: The database.
        options: The engine's.
        gpus: How many GPUs there are.

    Raises:
        StorageError: The database is away.
    """
    return await asyncio.to_thread(
        lambda: [_taken_up(job, rank, store, options, gpus) for job, rank in store.unfinished()]
    )


def _taken_up(job: Job, rank: float, store: JobStore, options: EngineOptions, gpus: int) -> LiveJob:
    # Readers may have been told more than was written down: a number must not come twice.
    first_event = max((event.id for event in store.events(job.id)), default=0) + _MOST_UNWRITTEN
    try:
        operation = operation_named(job.operation).of(dict(job.arguments))
        placement = place(operation, options, gpus)
        if job.state == "running" and job.attempts >= _MOST_ATTEMPTS:
            raise InterruptedJobError(
                f"The server ended twice while {job.operation!r} ran, so it is not run again", "Submit it anew"
            )
    except SensoriumError as error:
        nowhere = Placement(WorkerKey(STARTER, "auto", "auto"), (), {})
        live = LiveJob(job, Operation(), nowhere, rank, first_event=first_event)
        interrupted = isinstance(error, InterruptedJobError)
        live.end(state="interrupted" if interrupted else "failed", error=error.to_dict())
        return live
    live = LiveJob(job, operation, placement, rank, first_event=first_event)
    if job.state == "running":
        live.change(state="queued", started=None, artifacts=())
        live.void_parts()
    return live
