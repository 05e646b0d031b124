"""The folder that an engine keeps: files of jobs, uploads, search indexes. Nothing in it is named by a client."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sensorium import settings
from sensorium.engine.folders import (
    bytes_below,
    disk_failures_explained,
    identifiers_in,
    made,
    made_at,
    remove_folder,
)
from sensorium.engine.identifiers import check_index_name, is_identifier
from sensorium.engine.reference_path import reference_folder, reference_of
from sensorium.errors import NotFoundError, StorageError
from sensorium.media.naming import display_name
from sensorium.operations.media import UPLOAD, Media
from sensorium.progress import Cancellation

_AT_WORK_SECONDS = 3600.0
"""How old something half-written is at least that a crash has left behind, where there may be others at work."""


class JobFiles:
    """The files that an engine keeps below one folder, for one engine at a time. Safe to use from any thread.

    A job has two folders: one for the files of its result, one for the media that it works on.

    Args:
        folder: Made when it is opened, for this user alone.
    """

    storage = ""
    """The address in an object store where all lies that is complete; "" if the folder alone has it."""
    scattered = False
    """Whether those who make and read files are on several machines, and meet in the object store."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = settings.user_path(folder).absolute()
        self._kept, self._passing = self.folder / "jobs", self.folder / "passing"
        self.uploads = self.folder / "uploads"
        self._indexes, self._indexed = self.folder / "indexes", self.folder / "indexed"
        self._front_ends = self.folder / "front-ends"
        self._lock = FileLock(self.folder / ".lock", timeout=0, thread_local=False)

    @property
    def database(self) -> str:
        """The address of the SQLite database in the folder."""
        from sqlalchemy import URL

        return URL.create("sqlite", database=str(self.folder / "jobs.sqlite")).render_as_string()

    def open(self) -> None:
        """Take the folder, and delete what an engine that crashed has left behind half-written.

        Raises:
            StorageError: Another engine uses it, or it can't be written.
        """
        with self.explained():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.explained():
            try:
                self._lock.acquire()
            except Timeout:  # it is an OSError too, so it must not reach `explained`
                raise StorageError(
                    f"The folder {display_name(self.folder)} is in use by another engine of Sensorium",
                    "End that one, or choose another folder",
                ) from None
        try:
            with self.explained():
                self._prepare()
        except StorageError:
            self._lock.release()
            raise

    def join(self) -> None:
        """Use the folder beside the engine, or on another machine than the engine.

        Raises:
            StorageError: It can't be written.
        """
        with self.explained():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make_folders()

    def close(self) -> None:
        """Delete the files of requests that nobody can ask for any more, and leave the folder to others."""
        with suppress(StorageError, OSError):
            self._delete(*self._passing.iterdir())
        self._lock.release()

    def probe(self) -> str:
        """Write and delete a small file; return "" if that works, or else why not in one sentence."""
        file = self.folder / ".probe"
        try:
            with self.explained():
                try:
                    file.write_bytes(bytes(4096))
                finally:
                    file.unlink(missing_ok=True)
        except StorageError as error:
            return error.message
        return ""

    def probe_storage(self) -> str:
        """Return "" if the object store works, or else why not in one sentence; it may take long to find out."""
        return ""

    def note_storage(self, trouble: str) -> None:
        """Let everything that needs the object store fail at once.

        Args:
            trouble: Why; "" if it works again.
        """

    def explained(self) -> AbstractContextManager[None]:
        """Turn the system's errors into one sentence.

        Raises:
            StorageError: Whatever goes wrong in the block with the files below the folder.
        """
        return disk_failures_explained(self.folder)

    # Jobs

    def artifact_folder(self, job: str, *, durable: bool = True) -> Path:
        """Return the folder for the files of a job's result; whoever writes the first one makes it, for most have none.

        Args:
            job: The job's id.
            durable: Whether its files outlive the engine; those of others are deleted at the next start.
        """
        return self._folder(job, durable) / "artifacts"

    def media_folder(self, job: str, *, durable: bool = True) -> Path:
        """Return the folder for the media that a job works on, and make it: see `artifact_folder`.

        Raises:
            StorageError: It can't be made.
        """
        with self.explained():
            return made(made(self._folder(job, durable)) / "media")

    def artifact(self, job: str, name: str) -> Path:
        """Return a file of a job's result.

        Raises:
            NotFoundError: There is none, or not any more.
        """
        if is_artifact_name(job, name):
            for folder in self._folders(job):
                path = folder / "artifacts" / name
                with suppress(OSError, ValueError):  # a name may be too long, or no Unicode
                    if stat.S_ISREG(path.lstat().st_mode):
                        return path
        raise NotFoundError(
            f"There is no file {display_name(name)} of the job {display_name(job)}",
            "See the job's artifacts for their names; old ones are deleted by age and for room",
        )

    def publish(self, source: Path, artifact: Path, cancel: Cancellation) -> None:
        """Let those on other machines read a file of a job's result; return when they can.

        Args:
            source: What is complete.
            artifact: What it is going to be called, in the job's folder.
            cancel: Ends the waiting for an object store that is away.

        Raises:
            CancelledError: ``cancel`` was set.
        """

    def share(self, medium: Path) -> None:
        """Let workers on other machines read a medium of a job that is neither an upload nor an artifact.

        Raises:
            StorageError: The object store is away.
        """

    def shared(self, medium: Path) -> Path:
        """Return a medium that `share` was told of on another machine.

        Raises:
            NotFoundError: It was deleted meanwhile.
            StorageError: The object store is away.
        """
        raise NotFoundError(f"{display_name(medium.name)} was deleted a moment ago", "Send it again")

    def delete_media(self, job: str) -> None:
        """Delete the media that a job worked on."""
        self._delete(*(folder / "media" for folder in self._folders(job)))

    def delete_artifacts(self, job: str) -> None:
        """Delete the files of a job's result: it is to run again."""
        self._delete(*(folder / "artifacts" for folder in self._folders(job)))

    def has_files(self, job: str) -> bool:
        """Return whether a job has a folder."""
        return any(folder.exists() for folder in self._folders(job))

    def delete_job(self, job: str) -> None:
        """Delete all files of a job."""
        self._delete(*self._folders(job))

    def job_sizes(self) -> dict[str, int]:
        """Return the ids of all jobs that have files, with the bytes that the files of their results take."""
        with self.explained():
            return {job: bytes_below(self._kept / job / "artifacts") for job in identifiers_in(self._kept)}

    def job_made(self, job: str) -> float:
        """Return when a job's folder was made or changed, in seconds since 1970; infinite if there is none."""
        return made_at(self._kept / job)

    # Uploads

    def complete_upload(self, temporary: Path, upload: str) -> None:
        """Keep an upload that has arrived.

        Args:
            temporary: Where it lies, in the folder of uploads.
            upload: Its id.

        Raises:
            StorageError: The object store is away.
        """
        temporary.replace(self.uploads / upload)

    def upload(self, upload: str) -> Path:
        """Return the file of an upload.

        Raises:
            NotFoundError: There is none, or not any more.
        """
        path = self.uploads / upload
        if not is_identifier(upload) or not path.is_file():
            raise NotFoundError(
                f"There is no upload {display_name(upload)}",
                "Send the file again; unused ones are deleted after a while",
            )
        return path

    def is_here(self, reference: Media) -> bool:
        """Return whether the file of an upload or artifact is on this machine, as far as there is one at all."""
        return True

    def delete_upload(self, upload: str) -> None:
        """Delete the file of an upload; no search finds it any more, but jobs that were given it keep it."""
        if is_identifier(upload):
            self._delete(*self._indexed.glob(f"*/*/{reference_folder(Media(UPLOAD + upload))}"), self.uploads / upload)

    def upload_sizes(self) -> dict[str, int]:
        """Return the ids of all complete uploads, with their bytes."""
        found = {}
        with self.explained():
            for upload in identifiers_in(self.uploads):
                with suppress(FileNotFoundError):
                    found[upload] = (self.uploads / upload).stat().st_size
        return found

    def upload_made(self, upload: str) -> float:
        """Return when an upload was complete, in seconds since 1970; infinite if there is none."""
        return made_at(self.uploads / upload)

    # Search indexes

    def index_folder(self, owner: str) -> Path:
        """Return the folder for the search indexes of an owner; whoever opens the first one makes it."""
        return self._indexes / owner_folder(owner)

    def index_place(self, owner: str) -> str:
        """Return where the search indexes of an owner lie: a folder, or an address in the object store."""
        return str(self.index_folder(owner))

    def bring_index(self, place: str, index: str) -> None:
        """Let this machine know which files a search index holds; their content may be left out.

        Args:
            place: Where the owner's indexes lie: see `index_place`.
            index: Its name.

        Raises:
            InputError: It is no name of an index.
            StorageError: The object store is away.
        """

    def keep_index(self, owner: str, index: str) -> None:
        """Let other machines know which files a search index holds: those that its folder holds now.

        Raises:
            InputError: It is no name of an index.
            StorageError: The object store is away.
        """

    def indexed_folder(self, owner: str, index: str) -> Path:
        """Return the folder for the files that a search index finds, and make it: the index holds their paths.

        Args:
            owner: Whose the index is.
            index: Its name.

        Raises:
            InputError: It is no name of an index.
            StorageError: It can't be made.
        """
        name = check_index_name(index)
        with self.explained():
            return made(made(self._indexed / owner_folder(owner)) / name)

    def indexed(self) -> set[Media]:
        """Return the uploads and artifacts that search indexes hold."""
        found = (reference_of(folder.name) for folder in self._indexed.glob("*/*/*"))
        return {reference for reference in found if reference is not None}

    def delete_indexed(self, owner: str, index: str, references: Iterable[Media]) -> None:
        """Delete files that a search index doesn't hold any more.

        Raises:
            InputError: It is no name of an index.
        """
        folder = self._indexed / owner_folder(owner) / check_index_name(index)
        self._delete(*(folder / reference_folder(reference) for reference in references))

    def delete_index(self, owner: str, index: str) -> None:
        """Delete a search index and the files that it finds.

        Raises:
            InputError: It is no name of an index.
        """
        name = check_index_name(index)
        self._delete(*(folder / owner_folder(owner) / name for folder in (self._indexes, self._indexed)))

    # Front ends

    def front_end_folder(self, name: str) -> Path:
        """Return a folder for what a front end keeps beside jobs, and make it.

        Raises:
            StorageError: It can't be made.
        """
        assert is_identifier(name), name
        with self.explained():
            return made(made(self._front_ends) / name)

    def save_front_ends(self) -> None:
        """Let the object store have what front ends have written since the last time.

        Raises:
            StorageError: It is away.
        """

    # What these have in common

    def _make_folders(self) -> None:
        for folder in (self._kept, self._passing, self.uploads, self._indexes, self._indexed):
            folder.mkdir(exist_ok=True, mode=0o700)
            folder.chmod(0o700)

    def _prepare(self) -> None:
        self._make_folders()
        self._delete(*self._passing.iterdir())
        places = (self.uploads, *self._kept.glob("*/*/"), *self._indexed.glob("*/*/"))
        self._delete(*(path for place in places for path in place.glob(".*") if not self._is_at_work(path)))

    def _is_at_work(self, path: Path) -> bool:
        """Return whether somebody beside the engine may write what isn't complete."""
        return self.scattered and made_at(path) > time.time() - _AT_WORK_SECONDS

    def _folders(self, job: str) -> tuple[Path, ...]:
        return (self._kept / job, self._passing / job) if is_identifier(job) else ()

    def _folder(self, job: str, durable: bool) -> Path:
        assert is_identifier(job), job
        return (self._kept if durable else self._passing) / job

    def _delete(self, *paths: Path) -> None:
        with self.explained():
            for path in paths:
                if path.is_dir() and not path.is_symlink():
                    remove_folder(path)
                else:
                    path.unlink(missing_ok=True)


def is_artifact_name(job: str, name: str) -> bool:
    """Return whether this may be the id of a job, and the name of a file of its result."""
    return is_identifier(job) and bool(name) and not name.startswith(".") and not re.search(r"[/\\\0]", name)


def owner_folder(owner: str) -> str:
    """Return the name of the folder for an owner, who may be called whatever a key or a proxy says."""
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32] if owner else "common"
