"""The jobs that the engine holds in memory, and their way into the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from sensorium.engine.job import Job, JobEvent
from sensorium.engine.job_store import JobStore
from sensorium.engine.job_writer import JobWriter
from sensorium.engine.live_job import LiveJob

_LINGER_SECONDS = 60.0
"""How long an ended job stays in memory, for readers who take up its events again."""
_LINGER_WITH_FILES_SECONDS = 600.0
"""The same for a job that isn't in the database but has files, which are deleted with it."""
_MOST_LINGERING = 1000
_NOT_KEPT = ("sound",)
"""Events that are not written down: the sound is in the job's file."""


class JobRecords:
    """Holds the jobs that live, and those that ended a short while ago; writes durable ones to the database.

    Args:
        store: The database.
        writer: Writes to it.
        forget: Called with a job that isn't in the database when it leaves the memory: its files can go.
    """

    def __init__(self, store: JobStore, writer: JobWriter, forget: Callable[[LiveJob], None]) -> None:
        self._store = store
        self._writer = writer
        self._forget = forget
        self._jobs: dict[str, LiveJob] = {}
        self._ended: dict[str, LiveJob] = {}
        self._unwritten: set[str] = set()

    def __iter__(self) -> Iterator[LiveJob]:
        return iter(list(self._jobs.values()))

    def find(self, job: str, owner: str | None = None) -> LiveJob | None:
        """Return a job in memory, or None."""
        found = self._jobs.get(job)
        return found if found is not None and owner in (None, found.owner) else None

    def hold(self, job: LiveJob) -> None:
        """Take a job into memory."""
        self._jobs[job.id] = job

    async def insert(self, job: LiveJob) -> None:
        """Write a new job down; return when it is.

        Raises:
            StorageError: The database is away; the job will not be in it when it is back.
        """
        now, rank = job.job, job.rank
        self._writer.require_working()
        try:
            await self._writer.write_now(lambda: self._store.put([now], {now.id: rank}))
        except BaseException:
            self._writer.write(lambda: self._store.delete_jobs([now.id]))  # it may be there, or come there
            raise

    def save(self, job: LiveJob) -> None:
        """Write down what a job is now, and what it has told since the last time; keep it until that is done."""
        if job.has_ended:
            self._ended[job.id] = job
        if not job.job.durable:
            return
        now, rank, told = job.job, job.rank, self._new_events(job)
        if job.has_ended:
            self._unwritten.add(now.id)
        loop = asyncio.get_running_loop()

        def write() -> None:
            self._store.put([now], {now.id: rank}, {now.id: told})
            if now.ended is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._unwritten.discard, now.id)

        self._writer.write(write)

    def save_events(self) -> None:
        """Write down what running jobs have told since the last time."""
        for job in self._jobs.values():
            if job.job.durable and not job.has_ended and len(job.events) > job.saved_events:
                self._write_events(job.job, self._new_events(job))

    def sweep(self) -> None:
        """Let go of jobs that ended a while ago."""
        now = time.monotonic()
        surplus = len(self._ended) - _MOST_LINGERING
        for number, job in enumerate(list(self._ended.values())):
            long = _LINGER_WITH_FILES_SECONDS if job.job.artifacts and not job.job.durable else _LINGER_SECONDS
            if number < surplus or now - job.ended_at > long:
                self.let_go(job)

    def let_go(self, job: LiveJob) -> None:
        """Let go of an ended job, unless somebody reads it, looks at its files, or it is still to be written down."""
        if job.readers or job.held or job.id in self._unwritten:
            return
        self._jobs.pop(job.id, None)
        self._ended.pop(job.id, None)
        if not job.job.durable:
            self._forget(job)

    def forget(self, job: str) -> None:
        """Take a job that has ended out of memory, whoever reads it."""
        self._jobs.pop(job, None)
        self._ended.pop(job, None)

    def _new_events(self, job: LiveJob) -> list[JobEvent]:
        new = job.events[job.saved_events :]
        job.saved_events = len(job.events)
        return [event for event in new if event.document["type"] not in _NOT_KEPT]

    def _write_events(self, job: Job, told: list[JobEvent]) -> None:
        self._writer.write(lambda: self._store.add_events(job.id, told))
