"""The folder that an engine keeps: files of jobs, uploads, search indexes. Nothing in it is named by a client."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sensorium import settings
from sensorium.engine.identifiers import check_index_name, is_identifier
from sensorium.engine.reference_path import reference_folder, reference_of
from sensorium.errors import NotFoundError, StorageError
from sensorium.media.naming import display_name
from sensorium.operations.media import UPLOAD, Media

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Make room there"),
    errno.EDQUOT: ("this user's share of the disk is full", "Make room there"),
    errno.EFBIG: ("a file may not grow any further", "Allow this user larger files"),
    errno.EROFS: ("the disk can only be read", "Make it writable, or choose another folder"),
    errno.EACCES: ("permission denied", "Let this user write there, or choose another folder"),
    errno.ENOENT: ("the folder is gone", "Put it back, or start again"),
}


class JobFiles:
    """The files that an engine keeps below one folder, for one engine at a time. Safe to use from any thread.

    A job has two folders: one for the files of its result, one for the media that it works on.

    Args:
        folder: Made when it is opened, for this user alone.
    """

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

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the system's errors into one sentence.

        Raises:
            StorageError: Whatever goes wrong in the block with the files below the folder.
        """
        try:
            yield
        except OSError as error:
            reason, remedy = _REASONS.get(
                error.errno or 0, ((error.strerror or "the system refused").lower(), "See that the disk works")
            )
            raise StorageError(
                f"The folder {display_name(self.folder)} can't be written: {reason}", f"{remedy}; then try again"
            ) from None

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
            return _made(_made(self._folder(job, durable)) / "media")

    def artifact(self, job: str, name: str) -> Path:
        """Return a file of a job's result.

        Raises:
            NotFoundError: There is none, or not any more.
        """
        if is_identifier(job) and name and not name.startswith(".") and not re.search(r"[/\\\0]", name):
            for folder in self._folders(job):
                path = folder / "artifacts" / name
                with suppress(OSError, ValueError):  # a name may be too long, or no Unicode
                    if stat.S_ISREG(path.lstat().st_mode):
                        return path
        raise NotFoundError(
            f"There is no file {display_name(name)} of the job {display_name(job)}",
            "See the job's artifacts for their names; old ones are deleted by age and for room",
        )

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
            return {job: _bytes_below(self._kept / job / "artifacts") for job in _names(self._kept)}

    def job_made(self, job: str) -> float:
        """Return when a job's folder was made or changed, in seconds since 1970; infinite if there is none."""
        return _made_at(self._kept / job)

    # Uploads

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

    def delete_upload(self, upload: str) -> None:
        """Delete the file of an upload; no search finds it any more, but jobs that were given it keep it."""
        if is_identifier(upload):
            self._delete(*self._indexed.glob(f"*/*/{reference_folder(Media(UPLOAD + upload))}"), self.uploads / upload)

    def upload_sizes(self) -> dict[str, int]:
        """Return the ids of all complete uploads, with their bytes."""
        found = {}
        with self.explained():
            for upload in _names(self.uploads):
                with suppress(FileNotFoundError):
                    found[upload] = (self.uploads / upload).stat().st_size
        return found

    def upload_made(self, upload: str) -> float:
        """Return when an upload was complete, in seconds since 1970; infinite if there is none."""
        return _made_at(self.uploads / upload)

    # Search indexes

    def index_folder(self, owner: str) -> Path:
        """Return the folder for the search indexes of an owner; whoever opens the first one makes it."""
        return self._indexes / _folder_of(owner)

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
            return _made(_made(self._indexed / _folder_of(owner)) / name)

    def indexed(self) -> set[Media]:
        """Return the uploads and artifacts that search indexes hold."""
        found = (reference_of(folder.name) for folder in self._indexed.glob("*/*/*"))
        return {reference for reference in found if reference is not None}

    def delete_indexed(self, owner: str, index: str, references: Iterable[Media]) -> None:
        """Delete files that a search index doesn't hold any more.

        Raises:
            InputError: It is no name of an index.
        """
        folder = self._indexed / _folder_of(owner) / check_index_name(index)
        self._delete(*(folder / reference_folder(reference) for reference in references))

    def delete_index(self, owner: str, index: str) -> None:
        """Delete a search index and the files that it finds.

        Raises:
            InputError: It is no name of an index.
        """
        name = check_index_name(index)
        self._delete(*(folder / _folder_of(owner) / name for folder in (self._indexes, self._indexed)))

    # Front ends

    def front_end_folder(self, name: str) -> Path:
        """Return a folder for what a front end keeps beside jobs, and make it.

        Raises:
            StorageError: It can't be made.
        """
        assert is_identifier(name), name
        with self.explained():
            return _made(_made(self._front_ends) / name)

    # What these have in common

    def _prepare(self) -> None:
        for folder in (self._kept, self._passing, self.uploads, self._indexes, self._indexed):
            folder.mkdir(exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        self._delete(*self._passing.iterdir(), *self.uploads.glob(".*"))
        for folder in (*self._kept.glob("*/*/"), *self._indexed.glob("*/*/")):
            self._delete(*folder.glob(".*"))

    def _folders(self, job: str) -> tuple[Path, ...]:
        return (self._kept / job, self._passing / job) if is_identifier(job) else ()

    def _folder(self, job: str, durable: bool) -> Path:
        assert is_identifier(job), job
        return (self._kept if durable else self._passing) / job

    def _delete(self, *paths: Path) -> None:
        with self.explained():
            for path in paths:
                if path.is_dir() and not path.is_symlink():
                    _remove_folder(path)
                else:
                    path.unlink(missing_ok=True)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _folder_of(owner: str) -> str:
    """An owner may be called whatever a key or a proxy says."""
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32] if owner else "common"


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if is_identifier(path.name)]


def _bytes_below(folder: Path) -> int:
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _made_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return math.inf


def _remove_folder(folder: Path) -> None:
    while folder.is_dir():
        with suppress(FileNotFoundError):  # something else deletes below it too
            shutil.rmtree(folder)
