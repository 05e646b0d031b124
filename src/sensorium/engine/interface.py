"""What front ends know of an engine, wherever it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Protocol

from sensorium.engine.custom_voices import CustomVoices
from sensorium.engine.job import Health, Job, JobEvent, ModelState, State, Upload
from sensorium.operations.operation import Operation


class Engine(Protocol):
    """Runs operations. All methods are called in the event loop in which `start` was called, and none blocks it.

    Wherever a method takes ``owner``, only what belongs to that owner is found; None finds everything.
    """

    voices: CustomVoices
    """The voices that users have made of recordings."""

    async def start(self) -> None:
        """Begin: what was queued runs, what was running when an earlier engine ended is run again once.

        Raises:
            StorageError: The folder is in use by another engine, or the database can't be opened.
        """

    async def close(self) -> None:
        """End all workers; queued jobs stay queued, running ones are run again at the next start."""

    async def submit(self, operation: Operation, *, owner: str = "", durable: bool = True) -> Job:
        """Queue an operation.

        Args:
            operation: What to do.
            owner: For whom.
            durable: Keep it in the database, and go on if nobody listens.

        Raises:
            BusyError: The queue is full, or this owner's share of it is.
            ModelUnavailableError: The checkpoint is unknown, or not on this machine.
            InsufficientMemoryError: The model can't fit even alone.
            NotFoundError: It refers to an upload or an artifact that there isn't.
            InputError: It refers to a file of this machine.
            WorkerLostError: The same request has killed two workers.
            StorageError: The database is away.
        """

    async def result(self, job: str, *, owner: str | None = None) -> Job:
        """Return a job once it has ended; if the waiting is cancelled, a job that isn't durable is cancelled too.

        Raises:
            NotFoundError: There is no such job.
        """

    def events(self, job: str, *, owner: str | None = None, after: int = 0) -> AsyncIterator[JobEvent]:
        """Yield the events of a job after a number, those to come too; the last one is ``ended``.

        Progress and previews are there for those who listen; of those in the past only the latest is told. If the
        reader of a job that isn't durable closes the iterator early, the job is cancelled.

        Raises:
            NotFoundError: There is no such job.
        """

    async def job(self, job: str, *, owner: str | None = None) -> Job:
        """Return a job as it is now.

        Raises:
            NotFoundError: There is no such job.
        """

    async def jobs(
        self,
        *,
        owner: str | None = None,
        states: Collection[State] = (),
        limit: int = 50,
        before: str | None = None,
    ) -> list[Job]:
        """Return jobs, the newest first, without their results and arguments.

        Args:
            owner: Whose.
            states: Only those in one of these states; all if empty.
            limit: How many at most.
            before: Only those older than the job with this id, for the next page.
        """

    async def cancel(self, job: str, *, owner: str | None = None) -> Job:
        """Cancel a job; return it once it has ended. One that has ended stays as it is."""

    async def delete(self, job: str, *, owner: str | None = None) -> None:
        """Forget a job with its events and files; one that hasn't ended is cancelled first.

        Raises:
            NotFoundError: There is no such job.
            StorageError: The database is away, or a file can't be deleted.
        """

    async def move(self, job: str, position: int, *, owner: str | None = None) -> Job:
        """Let a queued job start after ``position`` others of its owner's.

        Raises:
            NotFoundError: There is no such job.
            InputError: It has started already.
        """

    async def pause(self) -> None:
        """Start no more jobs; those that run go on."""

    async def resume(self) -> None:
        """Start jobs again."""

    async def artifact(self, job: str, name: str, *, owner: str | None = None) -> tuple[Path, str]:
        """Return the file of an artifact and its media type.

        Raises:
            NotFoundError: There is none, or it was deleted by age or for room.
        """

    async def receive(
        self,
        chunks: AsyncIterator[bytes],
        *,
        name: str,
        owner: str = "",
        purpose: str = "",
        expires: float | None = None,
    ) -> Upload:
        """Keep a file that arrives in pieces.

        Args:
            chunks: The pieces.
            name: What its sender calls it.
            owner: Whose it is.
            purpose: What it was sent for, so that `uploads` lists it; "" for what goes with one request.
            expires: When it is to be deleted even if it is used, in seconds since 1970.

        Raises:
            InputError: It is empty or too large.
            StorageError: The disk is full.
        """

    async def upload(self, upload: str, *, owner: str | None = None) -> Upload:
        """Return an upload.

        Raises:
            NotFoundError: There is none.
        """

    async def uploads(
        self,
        purposes: Collection[str],
        *,
        owner: str | None = None,
        limit: int = 50,
        after: str | None = None,
        newest_first: bool = True,
    ) -> list[Upload]:
        """Return uploads that were sent for one of some purposes.

        Args:
            purposes: What for.
            owner: Whose.
            limit: How many at most.
            after: Only those that follow the upload with this id, for the next page.
            newest_first: Whether the newest comes first, or last.

        Raises:
            NotFoundError: There is no upload with the id ``after``.
        """

    async def upload_file(self, upload: str, *, owner: str | None = None) -> Path:
        """Return the file of an upload.

        Raises:
            NotFoundError: There is none.
        """

    async def discard(self, upload: str, *, owner: str | None = None) -> None:
        """Delete an upload once no job uses it."""

    def folder_of(self, front_end: str) -> Path:
        """Return a folder in which a part of a front end keeps files of its own; it is made, and nobody else uses it.

        Args:
            front_end: The part, such as "batches": a plain word.

        Raises:
            StorageError: It can't be made.
        """

    async def models(self) -> list[ModelState]:
        """Return the models that are loaded or being loaded."""

    async def load(self, operation: Operation) -> ModelState:
        """Load what an operation needs, evicting others if need be; return once it is there."""

    async def unload(self, model: str) -> None:
        """End the process of a model once its jobs have ended; return when it is gone and its memory is back.

        Raises:
            NotFoundError: It isn't loaded.
        """

    async def pin(self, model: str, pinned: bool = True) -> ModelState:
        """Say whether a loaded model must never be unloaded to make room.

        Raises:
            NotFoundError: It isn't loaded.
        """

    async def health(self) -> Health:
        """Ask all workers how they are; answers within a second, whatever happens."""

    async def measurements(self) -> bytes:
        """Return what it counts and measures, as Prometheus reads it (`MEDIA_TYPE`)."""
