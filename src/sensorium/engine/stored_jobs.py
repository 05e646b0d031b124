"""Jobs that are no longer in memory: what the database knows of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sensorium.engine.job import ENDED, Job, JobEvent
from sensorium.engine.job_reader import JobReader
from sensorium.engine.job_store import JobStore
from sensorium.errors import NotFoundError


class StoredJobs:
    """Finds jobs in the database.

    Args:
        store: The database.
        reader: Asks it.
    """

    def __init__(self, store: JobStore, reader: JobReader) -> None:
        self._store = store
        self._reader = reader

    async def job(self, job: str, owner: str | None) -> Job:
        """Return a job.

        Raises:
            NotFoundError: There is none of that owner's.
        """
        found = await self._reader.read(self._store.job, job, owner=owner)
        if found is None:
            raise NotFoundError(f"There is no job {job!r}", "Jobs are forgotten after a while")
        return found

    async def events(self, job: str, owner: str | None, after: int) -> AsyncIterator[JobEvent]:
        """Yield the events of a job after a number, and its end."""
        known = await self.job(job, owner)
        events = await self._reader.read(self._store.events, job, after=after)
        for event in events:
            yield event
        ended = any(event.document["type"] == "ended" for event in events)
        if known.state in ENDED and not ended:
            yield JobEvent(
                max((event.id for event in events), default=after) + 1, {"type": "ended", "job": known.to_dict()}
            )
