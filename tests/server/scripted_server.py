"""A server whose engine does what a request's text says, at once: for what the server itself answers for.

Run as a program: ``python -m tests.server.scripted_server NAME=VALUE …`` with options of the server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

from sensorium import errors
from sensorium.engine.interface import Engine
from sensorium.engine.job import ENDED, Health, Job, JobEvent, ModelState, State, Upload
from sensorium.engine.metrics import Metrics
from sensorium.errors import BusyError, InputError, NotFoundError, SensoriumError
from sensorium.operations.artifact import Artifact
from sensorium.operations.operation import Operation
from sensorium.server.options import ServerOptions
from sensorium.server.program import serve

ERRORS = {"BusyError": BusyError("It is full", "Come again", 7)} | {
    name: getattr(errors, name)("It went wrong", "Do better")
    for name in ("InputError", "NotFoundError", "InsufficientMemoryError", "StorageError", "WorkerLostError")
}


_BEGUN_AGAIN = (
    {"type": "piece", "text": "Good "},
    {"type": "finished", "result": "one"},
    {"type": "restarted"},
    {"type": "note", "text": "It takes a while"},
    {"type": "piece", "text": "Go"},
    {"type": "finished", "result": "one"},
    {"type": "piece", "text": "od morning"},
    {"type": "finished", "result": "two"},
)


class ScriptedEngine(Engine):
    """Each job's ``text`` is its script: ``wait``, ``steps``, ``again``, the name of an error, or anything else.

    Args:
        folder: Where uploads and artifacts are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[str, dict[str, Any]] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._uploads: dict[str, Upload] = {}
        self._paused = False

    async def start(self) -> None:
        """Begin."""
        self._changed = asyncio.Condition()

    async def close(self) -> None:
        """End; a file says that this was reached."""
        (self._folder / "closed").touch()

    async def submit(self, operation: Operation, *, owner: str = "", durable: bool = True) -> Job:
        """Take a job, and run its script."""
        script = getattr(operation, "text", "")
        if script == "crash":
            raise RuntimeError("an inside secret")
        if script in ERRORS:
            raise ERRORS[script]
        job = f"job-{len(self._jobs) + 1}"
        self._jobs[job] = {
            "id": job,
            "owner": owner,
            "operation": operation.name,
            "arguments": operation.model_dump(mode="json"),
            "state": "running",
            "durable": durable,
            "model": "scripted",
            "created": time.time(),
        }
        self._events[job] = [{"type": "state", "state": "running", "position": None}]
        if script == "steps":
            for step in range(1, 4):
                self._events[job].append(
                    {"type": "progress", "stage": "drawing", "done": step, "total": 3, "unit": "steps"}
                )
            self._artifact(job)
        if script == "again":
            for document in _BEGUN_AGAIN:
                self._events[job].append(document)
        if script != "wait":
            await self._end(job, "done", result={"text": script, "moments": [], "model": "scripted"})
        return await self.job(job)

    def _artifact(self, job: str) -> None:
        (self._folder / f"{job}.png").write_bytes(bytes(range(256)))
        artifact = Artifact("picture-1.png", "image/png", 256)
        self._events[job].append({"type": "artifact", **artifact.to_dict()})
        self._jobs[job]["artifacts"] = (artifact,)

    async def _end(self, job: str, state: State, **more: Any) -> None:
        self._jobs[job] |= {"state": state, "ended": time.time(), **more}
        ended = Job(**self._jobs[job]).to_dict()
        self._events[job].append({"type": "ended", "job": ended})
        async with self._changed:
            self._changed.notify_all()

    async def result(self, job: str, *, owner: str | None = None) -> Job:
        """Wait for the end."""
        async with self._changed:
            try:
                await self._changed.wait_for(lambda: self._jobs[job]["state"] in ENDED)
            except asyncio.CancelledError:
                self._jobs[job]["state"] = "cancelled"
                raise
        return await self.job(job)

    async def events(self, job: str, *, owner: str | None = None, after: int = 0) -> AsyncIterator[JobEvent]:
        """Tell all events, those to come too."""
        await self.job(job, owner=owner)
        number = after
        while True:
            for document in self._events[job][number:]:
                number += 1
                yield JobEvent(number, document)
                if document["type"] == "ended":
                    return
            async with self._changed:
                await self._changed.wait()

    async def job(self, job: str, *, owner: str | None = None) -> Job:
        """Return a job."""
        if job not in self._jobs or owner not in (None, self._jobs[job]["owner"]):
            raise NotFoundError(f"There is no job {job!r}", "List them")
        return Job(**self._jobs[job])

    async def jobs(
        self,
        *,
        owner: str | None = None,
        states: Collection[State] = (),
        limit: int = 50,
        before: str | None = None,
    ) -> list[Job]:
        """Return jobs, the newest first."""
        found = [Job(**each) for each in reversed(self._jobs.values()) if owner in (None, each["owner"])]
        return [job for job in found if not states or job.state in states][:limit]

    async def cancel(self, job: str, *, owner: str | None = None) -> Job:
        """Cancel a job."""
        if (await self.job(job, owner=owner)).state not in ENDED:
            await self._end(job, "cancelled")
        return await self.job(job)

    async def delete(self, job: str, *, owner: str | None = None) -> None:
        """Forget a job."""
        await self.cancel(job, owner=owner)
        del self._jobs[job]

    async def move(self, job: str, position: int, *, owner: str | None = None) -> Job:
        """Refuse: everything runs at once."""
        await self.job(job, owner=owner)
        raise InputError(f"{job} has started already", "Move one that waits")

    async def pause(self) -> None:
        """Note it."""
        self._paused = True

    async def resume(self) -> None:
        """Note it."""
        self._paused = False

    async def artifact(self, job: str, name: str, *, owner: str | None = None) -> tuple[Path, str]:
        """Return a file."""
        if name not in [each.name for each in (await self.job(job, owner=owner)).artifacts]:
            raise NotFoundError(f"{job} has no {name!r}", "Look at the job")
        return self._folder / f"{job}.png", "image/png"

    async def receive(
        self,
        chunks: AsyncIterator[bytes],
        *,
        name: str,
        owner: str = "",
        purpose: str = "",
        expires: float | None = None,
    ) -> Upload:
        """Keep a file."""
        data = b"".join([chunk async for chunk in chunks])
        upload = Upload(f"file-{len(self._uploads) + 1}", owner, name, len(data), time.time(), purpose, expires)
        self._uploads[upload.id] = upload
        return upload

    async def upload(self, upload: str, *, owner: str | None = None) -> Upload:
        """Return an upload."""
        if upload not in self._uploads or owner not in (None, self._uploads[upload].owner):
            raise NotFoundError(f"There is no upload {upload!r}", "Send it again")
        return self._uploads[upload]

    async def discard(self, upload: str, *, owner: str | None = None) -> None:
        """Delete an upload."""
        del self._uploads[(await self.upload(upload, owner=owner)).id]

    def folder_of(self, front_end: str) -> Path:
        """Return a folder."""
        folder = self._folder / front_end
        folder.mkdir(exist_ok=True)
        return folder

    async def models(self) -> list[ModelState]:
        """Return none."""
        return []

    async def load(self, operation: Operation) -> ModelState:
        """Refuse."""
        raise SensoriumError("Nothing is loaded here", "Ask a real engine")

    async def unload(self, model: str) -> None:
        """Refuse."""
        raise NotFoundError(f"{model} isn't loaded", "Load it")

    async def pin(self, model: str, pinned: bool = True) -> ModelState:
        """Refuse."""
        raise NotFoundError(f"{model} isn't loaded", "Load it")

    async def health(self) -> Health:
        """Be degraded while paused, so that both can be seen."""
        running = sum(each["state"] == "running" for each in self._jobs.values())
        return Health("degraded" if self._paused else "ok", "ok", "ok", (), 0, running, self._paused)

    async def measurements(self) -> bytes:
        """Return what there is before the first job."""
        return Metrics().text()


def _read(value: str) -> Any:
    return json.loads(value) if value.startswith("[") else value


def main() -> None:
    """Serve; say where on stderr."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    folder = Path(given.pop("data"))
    options = ServerOptions(**{"port": 0} | {name: _read(value) for name, value in given.items()})
    serve(ScriptedEngine(folder), options, lambda address: print(address, file=sys.stderr, flush=True))


if __name__ == "__main__":
    main()
