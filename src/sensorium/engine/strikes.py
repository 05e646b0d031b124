"""Requests that have killed a worker: after the first time they run alone, after the second they are refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sensorium.engine.job_store import JobStore
from sensorium.engine.job_writer import JobWriter
from sensorium.engine.live_job import LiveJob
from sensorium.errors import WorkerLostError
from sensorium.operations.media import with_media

logger = logging.getLogger("sensorium.engine")

_ALLOWED = 2
_SAMPLE = 1 << 16


class Strikes:
    """Counts how many workers each request has killed, by what it asks and by the content of its media.

    Args:
        store: Keeps the counts.
        writer: Writes to it.
    """

    def __init__(self, store: JobStore, writer: JobWriter) -> None:
        self._store = store
        self._writer = writer
        self._counts: dict[str, int] = {}
        self._counting: set[asyncio.Task[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._counts or self._counting)

    def read(self) -> None:
        """Take over what an earlier engine has counted.

        Raises:
            StorageError: The database is away.
        """
        self._counts = self._store.struck()

    def count(self, job: LiveJob, *, examined: Callable[[LiveJob], None]) -> None:
        """Count a worker that a job has killed.

        Args:
            job: Its files must stay until they have been looked at.
            examined: Called when they have been.
        """
        job.held = True
        task = asyncio.ensure_future(self._count(job, examined))
        self._counting.add(task)
        task.add_done_callback(self._counting.discard)

    async def judge(self, job: LiveJob, files: Mapping[str, Mapping[str, str]]) -> bool:
        """Return whether a job must run alone.

        Args:
            job: What is asked.
            files: The ``path`` of each medium, by its reference.

        Raises:
            WorkerLostError: It has killed two workers.
        """
        if self._counting:
            await asyncio.wait(set(self._counting))
        if not self._counts:
            return False
        count = self._counts.get(await asyncio.to_thread(_fingerprint, job, files), 0)
        if count >= _ALLOWED:
            raise WorkerLostError(
                f"This request is refused: it has ended {count} processes that worked on it",
                "Change it, or report the input, please",
            )
        return count > 0

    async def _count(self, job: LiveJob, examined: Callable[[LiveJob], None]) -> None:
        try:
            fingerprint = await asyncio.to_thread(_fingerprint, job, job.media or {})
        except OSError as error:
            logger.warning("what has killed a worker can't be read: %s", error)
            return
        finally:
            job.held = False
            examined(job)
        self._counts[fingerprint] = self._counts.get(fingerprint, 0) + 1
        self._writer.write(lambda: self._store.add_strike(fingerprint))


def _fingerprint(job: LiveJob, files: Mapping[str, Mapping[str, str]]) -> str:
    """Return what tells a request from all others, whatever its uploads are called; reads samples of its media."""
    contents = {reference: _content(Path(file["path"])) for reference, file in files.items()}
    document = {"operation": job.job.operation, "arguments": with_media(job.operation, contents)}
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def _content(path: Path) -> str:
    """Return a sum over a file's size, beginning and end."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(str(size).encode())
        digest.update(file.read(_SAMPLE))
        file.seek(max(0, size - _SAMPLE))
        digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
