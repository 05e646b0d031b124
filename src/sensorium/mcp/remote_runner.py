"""An agent's operations on a server that runs elsewhere, for agents that start their tools as programs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import anyio.from_thread
import anyio.to_thread

from sensorium.client import Client
from sensorium.errors import NotFoundError
from sensorium.mcp.operation_runner import Hear
from sensorium.operations.operation import Operation


class RemoteRunner:
    """Runs operations on a server, whose key tells who asks.

    Args:
        address: Of the server.
        folder: Where the files of results are fetched to.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._address = address
        self._folder = folder

    async def run(self, operation: Operation, owner: str, hear: Hear) -> Mapping[str, Any]:
        """Run an operation as a job."""
        called_off = threading.Event()
        try:
            return await anyio.to_thread.run_sync(self._run, operation, hear, called_off, abandon_on_cancel=True)
        finally:
            called_off.set()

    def _run(self, operation: Operation, hear: Hear, called_off: threading.Event) -> Mapping[str, Any]:
        with Client(self._address, cancel=called_off) as client:
            job = client.submit(operation.name, operation.model_dump(mode="json"))
            over = threading.Event()
            watcher = threading.Thread(target=_cancel_with_the_call, args=(client, job.id, called_off, over))
            watcher.start()
            try:
                for _, document in client.events(job.id):
                    if document["type"] == "ended":
                        ended: Mapping[str, Any] = document["job"]
                        return ended
                    anyio.from_thread.run(hear, document)
            finally:
                over.set()
                watcher.join()
        raise AssertionError("events end with the job's end")

    async def job(self, job: str, owner: str) -> Mapping[str, Any]:
        """Return a job."""
        return await anyio.to_thread.run_sync(self._job, job)

    def _job(self, job: str) -> Mapping[str, Any]:
        with Client(self._address) as client:
            return client.job(job).to_dict()

    async def file(self, job: str, name: str, owner: str) -> tuple[Path, str]:
        """Fetch the file of an artifact; return it, and its media type."""
        return await anyio.to_thread.run_sync(self._file, job, name)

    def _file(self, job: str, name: str) -> tuple[Path, str]:
        with Client(self._address) as client:
            found = next((each for each in client.job(job).artifacts if each.name == name), None)
            if found is None:
                raise NotFoundError(f"The job {job!r} has no file {name!r}", "Take one that its result names")
            path = self._folder / f"{job}-{Path(name).name}"
            client.download(job, name, path)
            return path, found.media_type

    async def receive(self, file: BinaryIO, name: str, owner: str) -> str:
        """Send an open file."""
        return await anyio.to_thread.run_sync(self._send, file, name)

    def _send(self, file: BinaryIO, name: str) -> str:
        with Client(self._address) as client:
            return client.upload(file, name).id

    async def discard(self, upload: str, owner: str) -> None:
        """Delete an upload once no job uses it."""
        await anyio.to_thread.run_sync(self._discard, upload)

    def _discard(self, upload: str) -> None:
        with Client(self._address) as client:
            client.discard(upload)


def _cancel_with_the_call(client: Client, job: str, called_off: threading.Event, over: threading.Event) -> None:
    while not over.wait(0.1):
        if called_off.is_set():
            client.cancel(job)
            return
