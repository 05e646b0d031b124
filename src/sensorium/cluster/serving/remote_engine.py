"""The engine as an ingress replica has it: asks the keeper, and moves the bytes of files itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from sensorium.cluster.serving.keeper_line import KeeperLine, KeeperLostError
from sensorium.cluster.serving.remote_voices import RemoteVoices
from sensorium.engine.custom_voices import CustomVoices
from sensorium.engine.interface import Engine
from sensorium.engine.job import Health, Job, JobEvent, ModelState, State, Upload
from sensorium.engine.options import EngineOptions
from sensorium.engine.reception import receive
from sensorium.engine.stored_job_files import files_of
from sensorium.errors import ClosedError, NotFoundError
from sensorium.media.limits import Limits
from sensorium.media.source import resolve
from sensorium.operations.media import UPLOAD, with_media
from sensorium.operations.operation import Operation

_HEALTH_SECONDS = 0.9
_SMALL = 1_000_000
"""Characters of a ``data:`` URI that goes to the keeper as it is; a longer one becomes an upload first."""


class RemoteEngine:
    """Runs operations where the keeper says: see `Engine`.

    Args:
        line: To the keeper.
        options: The same that the keeper has. Without an object store the folder is one that all nodes share.
    """

    def __init__(self, line: KeeperLine, options: EngineOptions) -> None:
        self._line = line
        self._largest = options.largest_upload
        self._files = files_of(options, scattered=True)
        self.voices: CustomVoices = RemoteVoices(line)

    async def start(self) -> None:
        """Use the folder beside the keeper, which starts by itself: requests wait for it."""
        await asyncio.to_thread(self._files.join)

    async def close(self) -> None:
        """End: the keeper goes on."""

    async def submit(self, operation: Operation, *, owner: str = "", durable: bool = True) -> Job:
        """Queue an operation: see `Engine.submit`."""
        operation = await self._without_large_data(operation, owner)
        return Job.from_dict(await self._line.ask("submit", **_told(operation), owner=owner, durable=durable))

    async def result(self, job: str, *, owner: str | None = None) -> Job:
        """Return a job once it has ended: see `Engine.result`."""
        lost = False
        while True:
            try:
                return Job.from_dict(await self._line.ask_once("result", job=job, owner=owner))
            except KeeperLostError:
                lost = True
            except NotFoundError:
                if lost:
                    raise _ended_with_the_keeper() from None
                raise

    async def events(self, job: str, *, owner: str | None = None, after: int = 0) -> AsyncIterator[JobEvent]:
        """Yield the events of a job: see `Engine.events`."""
        lost = False
        while True:
            try:
                async with aclosing(self._line.listen("events", job=job, owner=owner, after=after)) as heard:
                    async for document in heard:
                        event = JobEvent.from_dict(document)
                        after = event.id
                        yield event
                return
            except KeeperLostError:
                lost = True
            except NotFoundError:
                if lost:
                    raise _ended_with_the_keeper() from None
                raise

    async def job(self, job: str, *, owner: str | None = None) -> Job:
        """Return a job as it is now: see `Engine.job`."""
        return Job.from_dict(await self._line.ask("job", job=job, owner=owner))

    async def jobs(
        self, *, owner: str | None = None, states: Collection[State] = (), limit: int = 50, before: str | None = None
    ) -> list[Job]:
        """Return jobs, the newest first: see `Engine.jobs`."""
        found = await self._line.ask("jobs", owner=owner, states=list(states), limit=limit, before=before)
        return [Job.from_dict(each) for each in found]

    async def cancel(self, job: str, *, owner: str | None = None) -> Job:
        """Cancel a job: see `Engine.cancel`."""
        return Job.from_dict(await self._line.ask("cancel", job=job, owner=owner))

    async def delete(self, job: str, *, owner: str | None = None) -> None:
        """Forget a job: see `Engine.delete`."""
        await self._line.ask("delete", job=job, owner=owner)

    async def move(self, job: str, position: int, *, owner: str | None = None) -> Job:
        """Let a queued job start earlier or later: see `Engine.move`."""
        return Job.from_dict(await self._line.ask("move", job=job, position=position, owner=owner))

    async def pause(self) -> None:
        """Start no more jobs: see `Engine.pause`."""
        await self._line.ask("pause")

    async def resume(self) -> None:
        """Start jobs again: see `Engine.resume`."""
        await self._line.ask("resume")

    async def artifact(self, job: str, name: str, *, owner: str | None = None) -> tuple[Path, str]:
        """Return the file of an artifact and its media type: see `Engine.artifact`."""
        known = await self.job(job, owner=owner)
        media_type = next((each.media_type for each in known.artifacts if each.name == name), None)
        if media_type is None:
            raise NotFoundError(f"The job {job} has no file {name!r}", "See its artifacts for the names")
        return await asyncio.to_thread(self._files.artifact, job, name), media_type

    async def receive(
        self,
        chunks: AsyncIterator[bytes],
        *,
        name: str,
        owner: str = "",
        purpose: str = "",
        expires: float | None = None,
    ) -> Upload:
        """Keep a file that arrives in pieces: see `Engine.receive`."""
        await self._line.ask("ready")  # when it starts, it clears away what is half-written
        came = await receive(self._files, chunks, name=name, largest=self._largest)
        upload = Upload(came.id, owner, came.name, came.size, time.time(), purpose, expires)
        return Upload.from_dict(await self._line.ask("register", upload=upload))

    async def upload(self, upload: str, *, owner: str | None = None) -> Upload:
        """Return an upload: see `Engine.upload`."""
        return Upload.from_dict(await self._line.ask("upload", upload=upload, owner=owner))

    async def uploads(
        self,
        purposes: Collection[str],
        *,
        owner: str | None = None,
        limit: int = 50,
        after: str | None = None,
        newest_first: bool = True,
    ) -> list[Upload]:
        """Return uploads that were sent for a purpose: see `Engine.uploads`."""
        found = await self._line.ask(
            "uploads", purposes=list(purposes), owner=owner, limit=limit, after=after, newest_first=newest_first
        )
        return [Upload.from_dict(each) for each in found]

    async def upload_file(self, upload: str, *, owner: str | None = None) -> Path:
        """Return the file of an upload: see `Engine.upload_file`."""
        known = await self.upload(upload, owner=owner)
        return await asyncio.to_thread(self._files.upload, known.id)

    async def discard(self, upload: str, *, owner: str | None = None) -> None:
        """Delete an upload: see `Engine.discard`."""
        await self._line.ask("discard", upload=upload, owner=owner)

    def folder_of(self, front_end: str) -> Path:
        """Return a folder for files of a front end's own: see `Engine.folder_of`."""
        return self._files.front_end_folder(front_end)

    async def models(self) -> list[ModelState]:
        """Return the models that are loaded or being loaded: see `Engine.models`."""
        return [ModelState.from_dict(each) for each in await self._line.ask("models")]

    async def load(self, operation: Operation) -> ModelState:
        """Load what an operation needs: see `Engine.load`."""
        return ModelState.from_dict(await self._line.ask("load", **_told(operation)))

    async def unload(self, model: str) -> None:
        """End the process of a model: see `Engine.unload`."""
        await self._line.ask("unload", model=model)

    async def pin(self, model: str, pinned: bool = True) -> ModelState:
        """Say whether a model must stay: see `Engine.pin`."""
        return ModelState.from_dict(await self._line.ask("pin", model=model, pinned=pinned))

    async def health(self) -> Health:
        """Ask the keeper, and through it all workers, how they are: see `Engine.health`."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                return Health.from_dict(await self._line.ask("health"))
        except (ClosedError, TimeoutError):
            return Health("degraded", "The keeper of the jobs doesn't answer", "not asked", (), 0, 0, paused=False)

    async def measurements(self) -> bytes:
        """Return what the keeper counts and measures: see `Engine.measurements`."""
        return str(await self._line.ask("measurements")).encode()

    async def _without_large_data(self, operation: Operation, owner: str) -> Operation:
        large = [
            each for each in dict.fromkeys(operation.media()) if len(each) > _SMALL and each[:5].lower() == "data:"
        ]
        if not large:
            return operation
        limits = Limits(max_bytes=self._largest, allow_files=False, allow_urls=False)
        uploads = {}
        for reference in large:
            media = await asyncio.to_thread(resolve, str(reference), limits=limits)
            upload = await self.receive(_whole(media.read()), name=media.name, owner=owner)
            uploads[str(reference)] = UPLOAD + upload.id
        return type(operation).of(with_media(operation, uploads))


def _told(operation: Operation) -> Mapping[str, Any]:
    return {"operation": operation.name, "fields": operation.model_dump(mode="json")}


def _ended_with_the_keeper() -> ClosedError:
    return ClosedError("The keeper of the jobs ended while it worked on this request", "Send it again")


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _is_an_engine(engine: RemoteEngine) -> Engine:
    """Let the type checker hold that it is one; nobody calls this."""
    return engine
