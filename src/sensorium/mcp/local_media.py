"""The user's own files, which an agent on the same machine names by their paths."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from sensorium import settings
from sensorium.errors import InputError
from sensorium.mcp.known_paths import KnownPaths
from sensorium.mcp.operation_runner import Hear, OperationRunner
from sensorium.media.source import ResolvedMedia, resolve
from sensorium.operations.media import ARTIFACT, UPLOAD, with_media
from sensorium.operations.operation import Operation

_ADDRESSES = ("data:", "http://", "https://")


class LocalMediaRunner:
    """Runs operations that name files of this machine and addresses, each of which becomes an upload.

    Uploads go with the call; those stay that a search index refers to from then on.

    Args:
        runner: Runs them with uploads.
        known: Which files are in the indexes.
    """

    def __init__(self, runner: OperationRunner, known: KnownPaths) -> None:
        self._runner = runner
        self._known = known

    async def run(self, operation: Operation, hear: Hear) -> Mapping[str, Any]:
        """Run an operation as a job; return the job that has ended, as its document, with paths in its result.

        Raises:
            InputError: A file doesn't exist, or can't be read.
            SensoriumError: The job isn't accepted.
        """
        async with self._handed_over(operation) as handed:
            job = await self._runner.run(handed, "", hear)
        return {**job, "result": self._known.in_place_of_uploads(job["result"])}

    @asynccontextmanager
    async def _handed_over(self, operation: Operation) -> AsyncIterator[Operation]:
        sent: dict[str, str] = {}
        try:
            for each in set(operation.media()):
                if not each.startswith((UPLOAD, ARTIFACT)):
                    sent[each] = await self._sent(each)
            handed = {reference: UPLOAD + upload for reference, upload in sent.items()}
            yield type(operation).of(with_media(operation, handed)) if handed else operation
            if operation.index_of_media() is not None and not operation.takes_out_of_index:
                self._known.add({upload: _path(reference) for reference, upload in sent.items()})
                sent = {}
        finally:
            with anyio.CancelScope(shield=True):
                for upload in sent.values():
                    await self._runner.discard(upload, "")

    async def _sent(self, reference: str) -> str:
        media, name = await anyio.to_thread.run_sync(_found, reference)
        with media.open() as file:
            return await self._runner.receive(file, name, "")


def _path(reference: str) -> Path:
    return settings.user_path(reference).absolute()


def _found(reference: str) -> tuple[ResolvedMedia, str]:
    """Return a medium, and what it is called on its way."""
    if reference.lower().startswith(_ADDRESSES):
        media = resolve(reference)
        return media, media.name
    path = _path(reference)
    with suppress(OSError):  # a name that is too long: that is told where the file is looked for
        if path.is_dir():
            raise InputError(f"{path} is a folder", "Name the files in it one by one")
    return resolve(path), path.name
