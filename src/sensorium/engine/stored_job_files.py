"""The files of an engine where an object store holds them, and the folder of a machine only what it has used lately."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from sensorium import settings
from sensorium.engine.identifiers import check_index_name, is_identifier
from sensorium.engine.job_files import JobFiles, is_artifact_name, owner_folder
from sensorium.engine.object_files import ObjectFiles
from sensorium.engine.options import EngineOptions
from sensorium.engine.reference_path import reference_folder, reference_of
from sensorium.engine.wire import StorageSetup
from sensorium.errors import InputError, NotFoundError, StorageError
from sensorium.operations.media import UPLOAD, Media
from sensorium.progress import Cancellation, check_cancelled

logger = logging.getLogger("sensorium.engine")

_PAUSES = (0.5, 1.0, 2.0, 5.0)
"""Seconds between the tries of what must not be lost; the last one is repeated."""
_TRIM_SECONDS = 30.0
_FRESH_SECONDS = 60.0
"""For so long a file that was used stays in the folder: whoever got its path is about to open it."""
_SENT_SECONDS = 600.0
"""How old a file of an index is at least that nothing in the store stands for, so that it is no more on its way."""


def files_of(options: EngineOptions, *, scattered: bool = False) -> JobFiles:
    """Return the files of an engine.

    Args:
        options: Say where they lie.
        scattered: Whether those who make and read files are on several machines.

    Raises:
        InputError: There can be no storage of that name.
    """
    folder = options.data or settings.data_home()
    if options.storage is None:
        return JobFiles(folder)
    return StoredJobFiles(folder, options.storage, cache_bytes=options.cache_bytes, scattered=scattered)


def storage_setup(files: JobFiles, options: EngineOptions) -> StorageSetup | None:
    """Return what workers must be told of the files of an engine."""
    if not files.storage:
        return None
    return StorageSetup(str(files.folder), files.storage, options.cache_bytes, files.scattered)


class StoredJobFiles(JobFiles):
    """Files that lie in an object store: see `JobFiles`.

    What is complete is in the store before anybody is told of it; what a machine hasn't is fetched when it is read.
    So everything in the folder of a machine may be deleted at any time, but for what is being written.

    The store has the same places as the folder. Of what search indexes hold there is only the name: an empty file, for
    the content is that of an upload or artifact, and nobody reads it once it is indexed.

    Args:
        folder: Of this machine.
        storage: Address in the store.
        cache_bytes: How much of the folder uploads and artifacts may take.
        scattered: Whether those who make and read files are on several machines; then even the files of requests that
            nobody can ask for later go through the store.

    Raises:
        InputError: There can be no storage of that name.
    """

    def __init__(
        self, folder: str | os.PathLike[str], storage: str, *, cache_bytes: int, scattered: bool = False
    ) -> None:
        super().__init__(folder)
        self.scattered = scattered
        self.storage = storage
        self.objects = ObjectFiles(storage, self.folder)
        self._cache_bytes = cache_bytes
        self._trimmed = time.monotonic()
        self._made: dict[str, float] = {}
        self._saved: dict[Path, tuple[int, int]] = {}
        self._brought: set[Path] = set()
        self._shared: set[str] = set()
        self._closing = threading.Event()
        self._later = ThreadPoolExecutor(1, thread_name_prefix="sensorium-storage")

    def open(self) -> None:
        """Take the folder, and see that the store works: see `JobFiles.open`."""
        super().open()
        try:
            self.objects.probe()
            if self.scattered:
                self.objects.delete("passing")
        except BaseException:
            super().close()
            raise

    def close(self) -> None:
        """End: see `JobFiles.close`."""
        with suppress(StorageError):
            self.save_front_ends()
        self._closing.set()
        self._later.shutdown(wait=False, cancel_futures=True)
        super().close()

    def probe_storage(self) -> str:
        """Return why the object store can't be used: see `JobFiles.probe_storage`."""
        try:
            self.objects.probe()
        except (InputError, StorageError) as error:
            return error.message
        return ""

    def note_storage(self, trouble: str) -> None:
        """Let nobody wait for a store that is known to be away: see `JobFiles.note_storage`."""
        if trouble and not self.objects.trouble:
            logger.warning("%s", trouble)
        self.objects.trouble = trouble

    # Jobs

    def artifact(self, job: str, name: str) -> Path:
        """Return a file of a job's result: see `JobFiles.artifact`."""
        try:
            return self._used(super().artifact(job, name))
        except NotFoundError:
            if is_artifact_name(job, name):
                for kind in self._kinds():
                    path = self.objects.pull(f"{kind}/{job}/artifacts/{name}")
                    if path is not None:
                        return self._used(path)
            raise

    def publish(self, source: Path, artifact: Path, cancel: Cancellation) -> None:
        """Keep a file of a job's result in the store: see `JobFiles.publish`."""
        place = artifact.relative_to(self.folder).as_posix()
        if place.partition("/")[0] not in self._kinds():
            return
        for pause in _pauses():
            try:
                self.objects.push(source, place)
                break
            except StorageError as error:
                check_cancelled(cancel)
                logger.warning("a file of a result waits to be kept: %s", error)
                time.sleep(pause)
                check_cancelled(cancel)
        self._trim_soon()

    def share(self, medium: Path) -> None:
        """Let workers on other machines read a medium: see `JobFiles.share`."""
        if self.scattered:
            self.objects.push(medium, self._place(medium))
            self._shared.add(medium.relative_to(self.folder).parts[1])

    def shared(self, medium: Path) -> Path:
        """Return a medium from another machine: see `JobFiles.shared`."""
        return self.objects.pull(self._place(medium)) or super().shared(medium)

    def delete_media(self, job: str) -> None:
        """Delete the media that a job worked on: see `JobFiles.delete_media`."""
        super().delete_media(job)
        if job in self._shared:
            self._shared.discard(job)
            self._soon(lambda: self.objects.delete(*(f"{kind}/{job}/media" for kind in self._kinds())))

    def delete_job(self, job: str) -> None:
        """Delete all files of a job: see `JobFiles.delete_job`."""
        if is_identifier(job):
            self.objects.delete(*(f"{kind}/{job}" for kind in self._kinds()))
        super().delete_job(job)

    def job_sizes(self) -> dict[str, int]:
        """Return the bytes of jobs' results: see `JobFiles.job_sizes`."""
        sizes: dict[str, int] = defaultdict(int)
        self._made.clear()
        for each in self.objects.below("jobs"):
            _, job, kind, *_ = each.place.split("/")
            sizes[job] += each.size if kind == "artifacts" else 0
            self._made[job] = max(self._made.get(job, 0.0), each.changed)
        return {**dict.fromkeys(super().job_sizes(), 0), **sizes}

    def job_made(self, job: str) -> float:
        """Return when a job's files were made, as `job_sizes` has found them last: see `JobFiles.job_made`."""
        return self._made.get(job) or super().job_made(job)

    # Uploads

    def complete_upload(self, temporary: Path, upload: str) -> None:
        """Keep an upload that has arrived: see `JobFiles.complete_upload`."""
        self.objects.push(temporary, f"uploads/{upload}")
        super().complete_upload(temporary, upload)
        self._trim_soon()

    def upload(self, upload: str) -> Path:
        """Return the file of an upload: see `JobFiles.upload`."""
        found = self.objects.pull(f"uploads/{upload}") if is_identifier(upload) else None
        return super().upload(upload) if found is None else self._used(found)

    def is_here(self, reference: Media) -> bool:
        """Return whether the file of a reference is on this machine: see `JobFiles.is_here`."""
        if reference.upload is not None:
            return is_identifier(reference.upload) and (self.uploads / reference.upload).is_file()
        return reference.artifact is None or any(
            (folder / "artifacts" / reference.artifact[1]).is_file() for folder in self._folders(reference.artifact[0])
        )

    def delete_upload(self, upload: str) -> None:
        """Delete the file of an upload: see `JobFiles.delete_upload`."""
        if is_identifier(upload):
            folder = f"/{reference_folder(Media(UPLOAD + upload))}/"
            indexed = [each.place for each in self.objects.below("indexed") if folder in each.place]
            self.objects.delete(*indexed, f"uploads/{upload}")
        super().delete_upload(upload)

    def upload_sizes(self) -> dict[str, int]:
        """Return the bytes of uploads: see `JobFiles.upload_sizes`."""
        found = {each.place.partition("/")[2]: each for each in self.objects.below("uploads")}
        self._made.update((upload, each.changed) for upload, each in found.items())
        return {upload: each.size for upload, each in found.items() if is_identifier(upload)}

    def upload_made(self, upload: str) -> float:
        """Return when an upload was complete, as `upload_sizes` has found it last: see `JobFiles.upload_made`."""
        return self._made.get(upload) or super().upload_made(upload)

    # Search indexes

    def index_place(self, owner: str) -> str:
        """Return the address of an owner's search indexes: see `JobFiles.index_place`."""
        return self.objects.root.join("indexes", owner_folder(owner)).address

    def indexed(self) -> set[Media]:
        """Return what search indexes hold: see `JobFiles.indexed`."""
        found = (reference_of(each.place.split("/")[3]) for each in self.objects.below("indexed"))
        return {reference for reference in found if reference is not None}

    def bring_index(self, place: str, index: str) -> None:
        """Let the folder of a search index hold what the store says: see `JobFiles.bring_index`."""
        top = f"indexed/{place.rpartition('/')[2]}/{check_index_name(index)}"
        there = {each.place: each for each in self.objects.below(top)}
        with self.explained():
            for each in there.values():
                path = self.folder / each.place
                if not path.is_file():
                    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    _appear(path, self.objects.read(each.place) if each.size else b"")
            gone = [path for path in self._in_index(self.folder / top) if self._place(path) not in there]
            now = time.time()
            self._delete(*(path for path in gone if now - _sent(path) > _SENT_SECONDS))

    def keep_index(self, owner: str, index: str) -> None:
        """Write down in the store what the folder of a search index holds: see `JobFiles.keep_index`."""
        top = f"indexed/{owner_folder(owner)}/{check_index_name(index)}"
        there = {each.place for each in self.objects.below(top)}  # first, for others may add to the folder meanwhile
        here = {self._place(path): path for path in self._in_index(self.folder / top)}
        for place in here.keys() - there:
            origin = place.rpartition("/")[2].startswith(".")
            self.objects.write(place, here[place].read_bytes() if origin else b"")
        self.objects.delete(*(there - here.keys()))

    def delete_indexed(self, owner: str, index: str, references: Iterable[Media]) -> None:
        """Delete files that a search index doesn't hold any more: see `JobFiles.delete_indexed`."""
        left_out = list(references)
        super().delete_indexed(owner, index, left_out)
        top = f"indexed/{owner_folder(owner)}/{check_index_name(index)}"
        places = [f"{top}/{reference_folder(reference)}" for reference in left_out]
        if places:
            self._soon(lambda: self.objects.delete(*places))

    def delete_index(self, owner: str, index: str) -> None:
        """Delete a search index: see `JobFiles.delete_index`."""
        name = check_index_name(index)
        self.objects.delete(*(f"{top}/{owner_folder(owner)}/{name}" for top in ("indexes", "indexed")))
        super().delete_index(owner, index)

    # Front ends

    def front_end_folder(self, name: str) -> Path:
        """Return a front end's folder, with what it kept on another machine: see `JobFiles.front_end_folder`."""
        folder = super().front_end_folder(name)
        for each in self.objects.below(f"front-ends/{name}") if folder not in self._brought else ():
            self.objects.pull(each.place)
            self._saved[self.folder / each.place] = (0, 0)
        self._brought.add(folder)
        return folder

    def save_front_ends(self) -> None:
        """Keep what front ends have written since the last time: see `JobFiles.save_front_ends`."""
        now = {path: _state(path) for path in self._front_ends.rglob("*") if path.is_file() and path.name[:1] != "."}
        for path, state in now.items():
            if self._saved.get(path) != state:
                self.objects.push(path, self._place(path))
                self._saved[path] = state
        for path in self._saved.keys() - now.keys():
            self.objects.delete(self._place(path))
            del self._saved[path]

    # What these have in common

    def _kinds(self) -> tuple[str, ...]:
        return ("jobs", "passing") if self.scattered else ("jobs",)

    def _place(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _in_index(self, folder: Path) -> Iterator[Path]:
        return (path for path in folder.glob("*/*") if path.parent.name[:1] != "." and path.is_file())

    def _used(self, path: Path) -> Path:
        with suppress(OSError):
            os.utime(path)
        self._trim_soon()
        return path

    def _soon(self, action: Callable[[], None]) -> None:
        """Do something in the background until it has worked."""

        def work() -> None:
            for pause in _pauses():
                try:
                    return action()
                except StorageError:
                    if self._closing.wait(pause):
                        return None

        self._later.submit(work)

    def _trim_soon(self) -> None:
        now = time.monotonic()
        if now - self._trimmed > _TRIM_SECONDS:
            self._trimmed = now
            with suppress(RuntimeError):  # it is closing
                self._later.submit(self.trim)

    def trim(self) -> None:
        """Delete what was not used for longest until uploads and artifacts take no more room than they may."""
        places = [self.uploads.glob("*"), *((self.folder / kind).glob("*/artifacts/*") for kind in self._kinds())]
        found: list[tuple[float, int, Path]] = []
        for path in (path for place in places for path in place if path.name[:1] != "."):
            with suppress(OSError):
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        surplus = sum(size for _, size, _ in found) - self._cache_bytes
        for used, size, path in sorted(found):
            if surplus <= 0 or used > time.time() - _FRESH_SECONDS:
                return
            path.unlink(missing_ok=True)
            surplus -= size


def _pauses() -> Iterator[float]:
    yield from _PAUSES
    while True:
        yield _PAUSES[-1]


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size


def _appear(path: Path, content: bytes) -> None:
    temporary = path.parent.parent / f".{os.getpid()}-{threading.get_ident()}"
    temporary.write_bytes(content)
    temporary.replace(path)


def _sent(path: Path) -> float:
    """Return when a file came that may be on its way into the store; long ago for one that came out of it."""
    state = path.stat()
    return state.st_ctime if state.st_size else 0.0
