"""Requests that have killed a worker: after the first time they run alone, after the second they are refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from sensorium.engine.job_store import JobStore
from sensorium.engine.job_writer import JobWriter
from sensorium.engine.live_job import LiveJob
from sensorium.errors import WorkerLostError
from sensorium.operations.media import with_media

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

    def __len__(self) -> int:
        return len(self._counts)

    def read(self) -> None:
        """Take over what an earlier engine has counted.

        Raises:
            StorageError: The database is away.
        """
        self._counts = self._store.struck()

    def add(self, fingerprint: str) -> None:
        """Count a worker that was killed."""
        self._counts[fingerprint] = self._counts.get(fingerprint, 0) + 1
        self._writer.write(lambda: self._store.add_strike(fingerprint))

    def judge(self, fingerprint: str) -> bool:
        """Return whether a request must run alone.

        Raises:
            WorkerLostError: It has killed two workers.
        """
        count = self._counts.get(fingerprint, 0)
        if count >= _ALLOWED:
            raise WorkerLostError(
                f"This request is refused: it has ended {count} processes that worked on it",
                "Change it, or report the input, please",
            )
        return count > 0


def fingerprint(job: LiveJob) -> str:
    """Return what tells a request from all others, whatever its uploads are called; reads samples of its media."""
    files: Mapping[str, Mapping[str, str]] = job.media or {}
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
