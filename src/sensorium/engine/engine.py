"""The engine of one machine: takes operations as jobs, and runs each in the worker process of its model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from sensorium.engine.admission import Admission
from sensorium.engine.custom_voices import CustomVoices
from sensorium.engine.dispatcher import Dispatcher
from sensorium.engine.health import HealthCheck
from sensorium.engine.interface import Engine
from sensorium.engine.job import Health, Job, JobEvent, ModelState, State, Upload
from sensorium.engine.job_files import JobFiles
from sensorium.engine.job_media import JobMedia
from sensorium.engine.job_reader import JobReader
from sensorium.engine.job_records import JobRecords
from sensorium.engine.job_store import JobStore
from sensorium.engine.job_writer import JobWriter
from sensorium.engine.live_job import LiveJob
from sensorium.engine.metrics import Metrics
from sensorium.engine.options import EngineOptions
from sensorium.engine.pool import MakePool, PoolWorker
from sensorium.engine.recovery import recover
from sensorium.engine.retention import sweep
from sensorium.engine.stored_job_files import files_of, storage_setup
from sensorium.engine.stored_jobs import StoredJobs
from sensorium.engine.strikes import Strikes
from sensorium.engine.voices import Voices
from sensorium.engine.wire import Call, WorkerSetup
from sensorium.engine.workers import WorkerPool
from sensorium.errors import InputError, NotFoundError, SensoriumError
from sensorium.models import model_servers
from sensorium.operations.operation import Operation

logger = logging.getLogger("sensorium.engine")

_STOP_GRACE = 3.0
_EVENTS_SECONDS = 1.0
_RETENTION_SECONDS = 60.0
_FRONT_ENDS_SECONDS = 2.0


class LocalEngine:
    """Runs operations in worker processes of this machine: see `Engine`.

    Args:
        options: What can be set.
        pool: Makes the pool of those who work; by default one of processes of this machine.
        files: What it keeps; by default what the options say.

    Raises:
        InputError: The database's or the storage's address can't be one.
    """

    def __init__(
        self,
        options: EngineOptions | None = None,
        *,
        pool: MakePool = WorkerPool,
        files: JobFiles | None = None,
    ) -> None:
        self.options = options or EngineOptions()
        model_servers.know(self.options.served_models)
        self.metrics = Metrics()
        self.files = files if files is not None else files_of(self.options)
        self.store = JobStore(self.options.database or self.files.database)
        self.writer = JobWriter(self.store.check)
        self.reader = JobReader()
        self.records = JobRecords(self.store, self.writer, self._forget)
        self.strikes = Strikes(self.store, self.writer)
        self.media = JobMedia(self.files, self.store, self.reader, self.writer, self.records, self.options)
        self.voices: CustomVoices = Voices(self.store.database, self.reader, self.writer, self.media)
        self.dispatcher = Dispatcher(self.options, self._setup(), self.metrics, self, pool)
        self._admission = Admission(
            self.options, self.dispatcher, self.records, self.media, self.files, self.strikes, self._background
        )
        self._past = StoredJobs(self.store, self.reader)
        self._health = HealthCheck(self.dispatcher, self.writer, self.files, self.options.served_models)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin: see `Engine.start`."""
        await asyncio.to_thread(self._open)
        self.writer.start()
        self.dispatcher.start()
        self.dispatcher.paused = bool(await asyncio.to_thread(self.store.flag, "paused", False))
        for live in await recover(self.store, self.options, self.dispatcher.pool.gpus):
            self.records.hold(live)
            if live.has_ended:
                self.changed(live)
            else:
                self.dispatcher.put_back(live)
                self._admission.come_after(live)
                self._background(self._admission.make_ready(live))
        self._background(self._keep_records())
        self._background(self._keep_within_bounds())
        self._background(self._health.watch())
        self._background(self._health.watch_endpoints())
        self._background(self._save_front_ends())

    async def close(self) -> None:
        """End: see `Engine.close`."""
        self.dispatcher.closing = True
        for task in list(self._tasks):
            task.cancel()
        self.media.close()
        for live in self.records:
            if not live.has_ended and not live.job.durable:
                self.dispatcher.cancel(live)
        await self.dispatcher.pool.close(_STOP_GRACE)
        for live in self.records:
            if live.job.state == "running" and live.job.durable:
                live.change(state="queued", started=None, artifacts=())
                self.records.save(live)
        self.media.save_uses()
        await asyncio.to_thread(self.writer.close, _STOP_GRACE)
        self.reader.close()
        self.store.close()
        self.files.close()

    async def submit(self, operation: Operation, *, owner: str = "", durable: bool = True) -> Job:
        """Queue an operation: see `Engine.submit`."""
        return self._view(await self._admission.admit(operation, owner, durable=durable))

    async def result(self, job: str, *, owner: str | None = None) -> Job:
        """Return a job once it has ended: see `Engine.result`."""
        live = self.records.find(job, owner)
        if live is None:
            return await self._past.job(job, owner)
        try:
            ended = await live.wait()
        except asyncio.CancelledError:
            if not live.job.durable:
                self.dispatcher.cancel(live)
            raise
        if not ended.durable and not ended.artifacts:
            self.records.let_go(live)
        return ended

    async def events(self, job: str, *, owner: str | None = None, after: int = 0) -> AsyncIterator[JobEvent]:
        """Yield the events of a job: see `Engine.events`."""
        live = self.records.find(job, owner)
        if live is None:
            async for event in self._past.events(job, owner, after):
                yield event
            return
        try:
            async for event in live.read(after):
                yield event
        finally:
            if not live.job.durable and not live.readers and not live.has_ended:
                self.dispatcher.cancel(live)

    async def job(self, job: str, *, owner: str | None = None) -> Job:
        """Return a job as it is now: see `Engine.job`."""
        live = self.records.find(job, owner)
        return await self._past.job(job, owner) if live is None else self._view(live)

    async def jobs(
        self, *, owner: str | None = None, states: Collection[State] = (), limit: int = 50, before: str | None = None
    ) -> list[Job]:
        """Return jobs, the newest first: see `Engine.jobs`."""
        stored = await self.reader.read(self.store.jobs, owner=owner, states=states, limit=limit, before=before)
        live = {job.id: self.records.find(job.id) for job in stored}
        return [
            job if (now := live[job.id]) is None else replace(self._view(now), arguments={}, result=None)
            for job in stored
        ]

    async def cancel(self, job: str, *, owner: str | None = None) -> Job:
        """Cancel a job: see `Engine.cancel`."""
        live = self.records.find(job, owner)
        if live is None:
            return await self._past.job(job, owner)
        self.dispatcher.cancel(live)
        return await live.wait()

    async def delete(self, job: str, *, owner: str | None = None) -> None:
        """Forget a job: see `Engine.delete`."""
        await self.cancel(job, owner=owner)
        self.records.forget(job)
        # Files go first: a job without files can be deleted again, files without a job would be strays.
        await asyncio.to_thread(self.files.delete_job, job)
        await self.writer.write_now(lambda: self.store.delete_jobs([job]))

    async def move(self, job: str, position: int, *, owner: str | None = None) -> Job:
        """Let a queued job start earlier or later: see `Engine.move`."""
        live = self.records.find(job, owner)
        if live is None:
            await self._past.job(job, owner)
        if live is None or live.job.state != "queued":
            raise InputError(f"The job {job} can't be moved, because it doesn't wait any more", "Move one that waits")
        self.dispatcher.queue.move(live, position)
        self.records.save(live)
        return self._view(live)

    async def pause(self) -> None:
        """Start no more jobs: see `Engine.pause`."""
        await self._set_paused(True)

    async def resume(self) -> None:
        """Start jobs again: see `Engine.resume`."""
        await self._set_paused(False)

    async def artifact(self, job: str, name: str, *, owner: str | None = None) -> tuple[Path, str]:
        """Return the file of an artifact and its media type: see `Engine.artifact`."""
        known = await self.job(job, owner=owner)
        media_type = next((each.media_type for each in known.artifacts if each.name == name), None)
        if media_type is None:
            raise NotFoundError(f"The job {job} has no file {name!r}", "See its artifacts for the names")
        return await asyncio.to_thread(self.files.artifact, job, name), media_type

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
        return await self.media.receive(chunks, name, owner, purpose=purpose, expires=expires)

    async def register(self, upload: Upload) -> Upload:
        """Take an upload whose file lies in the folder already; if that can't be noted, the file is deleted."""
        return await self.media.register(upload)

    async def upload(self, upload: str, *, owner: str | None = None) -> Upload:
        """Return an upload: see `Engine.upload`."""
        return await self.media.upload(upload, owner)

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
        return await asyncio.to_thread(
            self.store.uploads, owner=owner, purposes=purposes, limit=limit, after=after, newest_first=newest_first
        )

    async def upload_file(self, upload: str, *, owner: str | None = None) -> Path:
        """Return the file of an upload: see `Engine.upload_file`."""
        known = await self.upload(upload, owner=owner)
        return await asyncio.to_thread(self.files.upload, known.id)

    async def discard(self, upload: str, *, owner: str | None = None) -> None:
        """Delete an upload: see `Engine.discard`."""
        await self.media.discard(upload, owner)

    def folder_of(self, front_end: str) -> Path:
        """Return a folder for files of a front end's own: see `Engine.folder_of`."""
        return self.files.front_end_folder(front_end)

    async def models(self) -> list[ModelState]:
        """Return the models that are loaded or being loaded: see `Engine.models`."""
        return [worker.state() for worker in self.dispatcher.pool]

    async def load(self, operation: Operation) -> ModelState:
        """Load what an operation needs: see `Engine.load`."""
        live = await self._admission.admit(operation, "", durable=False, loads_only=True)
        ended = await self.result(live.id)
        if ended.error is not None:
            raise SensoriumError.from_dict(ended.error)
        worker = self.dispatcher.pool.of(live.placement.key)
        if worker is None:
            raise NotFoundError(f"The model {live.placement.key.name!r} is not loaded any more", "Pin it to keep it")
        return worker.state()

    async def unload(self, model: str) -> None:
        """End the process of a model: see `Engine.unload`."""
        for worker in self._workers(model):
            worker.draining = True
            if worker.idle:
                worker.end("asked")
            await worker.gone.wait()

    async def pin(self, model: str, pinned: bool = True) -> ModelState:
        """Say whether a model must stay: see `Engine.pin`."""
        workers = self._workers(model)
        for worker in workers:
            worker.pin(pinned)
        return workers[0].state()

    async def health(self) -> Health:
        """Ask all workers how they are: see `Engine.health`."""
        return await self._health.ask()

    async def measurements(self) -> bytes:
        """Return what is counted and measured: see `Engine.measurements`."""
        return self.metrics.text()

    # The dispatcher's journal

    def changed(self, job: LiveJob) -> None:
        """Write down that a job has another state."""
        self.records.save(job)
        if job.has_ended and job.job.durable and not job.held:
            self.media.release(job)

    def suspected(self, job: LiveJob) -> None:
        """Remember that a job has killed a worker."""
        self.strikes.count(job, examined=self._admission.clear_away)

    def call(self, job: LiveJob) -> Call:
        """Return what the job's worker is told."""
        return self.media.call(job)

    def again(self, job: LiveJob) -> None:
        """Delete the files of a job that is to run again."""
        self.files.delete_artifacts(job.id)

    # Inside

    def _open(self) -> None:
        self.files.open()
        self.store.open()
        self.strikes.read()

    def _setup(self) -> WorkerSetup:
        return WorkerSetup(
            threads=1,
            limits=self.media.worker_limits,
            profile=self.options.profile,
            storage=storage_setup(self.files, self.options),
            served_models=self.options.served_models,
        )

    def _forget(self, live: LiveJob) -> None:
        """Delete the files of a job that is in no database; not in the event loop, which others wait for."""
        if live.job.artifacts or self.files.has_files(live.id):
            asyncio.get_running_loop().run_in_executor(None, self._delete_files, live.id)

    def _delete_files(self, job: str) -> None:
        try:
            self.files.delete_job(job)
        except SensoriumError as error:
            logger.warning("files of a job could not be deleted: %s", error)

    def _view(self, live: LiveJob) -> Job:
        if live.job.state != "queued":
            return live.job
        return replace(live.job, position=self.dispatcher.queue.position(live))

    async def _set_paused(self, paused: bool) -> None:
        self.dispatcher.paused = paused
        self.dispatcher.wake()
        await self.writer.write_now(lambda: self.store.set_flag("paused", paused))

    def _workers(self, model: str) -> list[PoolWorker]:
        workers = self.dispatcher.pool.named(model)
        if not workers:
            raise NotFoundError(f"The model {model!r} is not loaded", "See which are: GET /v1/sensorium/models")
        return workers

    async def _keep_records(self) -> None:
        while True:
            await asyncio.sleep(_EVENTS_SECONDS)
            self.records.save_events()
            self.media.save_uses()
            self.records.sweep()
            for position, live in enumerate(self.dispatcher.queue):
                if live.readers and live.told_position != position:
                    live.tell_state(position)

    async def _keep_within_bounds(self) -> None:
        while True:
            try:
                await asyncio.to_thread(
                    sweep, self.store, self.files, time.time(), self.options.keep_seconds, self.options.keep_bytes
                )
            except SensoriumError as error:
                logger.warning("old jobs could not be deleted: %s", error)
            await asyncio.sleep(_RETENTION_SECONDS)

    async def _save_front_ends(self) -> None:
        while self.files.storage:
            await asyncio.sleep(_FRONT_ENDS_SECONDS)
            try:
                await asyncio.to_thread(self.files.save_front_ends)
            except SensoriumError:
                continue  # whoever looks after the storage says it

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_an_engine(engine: LocalEngine) -> Engine:
    """Let the type checker hold that it is one; nobody calls this."""
    return engine
