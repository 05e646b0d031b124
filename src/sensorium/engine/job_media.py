"""The media of jobs: uploads, artifacts and addresses, on their way to the folder that a worker may read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from sensorium.engine.handed_media import fetch_handed, hand_over
from sensorium.engine.identifiers import check_index_name
from sensorium.engine.indexed_media import earlier_places, note_origin, replace_earlier
from sensorium.engine.job import Upload
from sensorium.engine.job_files import JobFiles
from sensorium.engine.job_reader import JobReader
from sensorium.engine.job_records import JobRecords
from sensorium.engine.job_store import JobStore
from sensorium.engine.job_writer import JobWriter
from sensorium.engine.live_job import LiveJob
from sensorium.engine.options import EngineOptions
from sensorium.engine.reception import receive
from sensorium.engine.reference_path import reference_of
from sensorium.engine.wire import Call
from sensorium.errors import InputError, NotFoundError
from sensorium.media.limits import Limits
from sensorium.media.naming import display_name
from sensorium.media.source import resolve
from sensorium.operations.events import event_document
from sensorium.operations.media import UPLOAD, Media, with_media
from sensorium.operations.operation import Operation
from sensorium.progress import Event, Progress

_REMEMBERED = 4096
_MOST_FETCHES = 16
_ADDRESSES = ("http://", "https://")
_DATA = "data:"
_SMALL = 1_000_000
"""Characters of a ``data:`` URI that goes to the worker as it is; a longer one becomes a file."""


class JobMedia:
    """Receives uploads, and gives jobs what they refer to.

    Args:
        files: Where everything lies.
        store: Knows the uploads and the jobs.
        reader: Asks it.
        writer: Writes to it.
        records: Knows the jobs that live.
        options: The engine's.
    """

    def __init__(
        self,
        files: JobFiles,
        store: JobStore,
        reader: JobReader,
        writer: JobWriter,
        records: JobRecords,
        options: EngineOptions,
    ) -> None:
        self._files = files
        self._store = store
        self._reader = reader
        self._writer = writer
        self._records = records
        self._largest = options.largest_upload
        # Hosts that say nothing must not take the threads in which uploads are written.
        self._fetching = ThreadPoolExecutor(_MOST_FETCHES, thread_name_prefix="fetch")
        self._stops: set[threading.Event] = set()
        self._uploads: OrderedDict[str, Upload] = OrderedDict()
        self._used: dict[str, float] = {}
        self._limits = Limits(
            max_bytes=options.largest_upload,
            max_download_bytes=options.largest_upload,
            allow_files=False,
            allow_urls=bool(options.fetch_from),
            allowed_hosts=frozenset(options.fetch_from),
        )

    @property
    def worker_limits(self) -> Mapping[str, Any]:
        """The limits of workers, which get everything as files, and look for nothing themselves."""
        return {"max_bytes": self._largest, "allow_files": False, "allow_urls": False}

    async def receive(
        self,
        chunks: AsyncIterator[bytes],
        name: str,
        owner: str,
        *,
        purpose: str = "",
        expires: float | None = None,
    ) -> Upload:
        """Keep a file that arrives in pieces."""
        received = await receive(self._files, chunks, name=name, largest=self._largest)
        return await self.register(
            Upload(received.id, owner, received.name, received.size, time.time(), purpose, expires)
        )

    async def register(self, upload: Upload) -> Upload:
        """Note an upload whose file is there; if it can't be noted, the file is deleted."""
        try:
            await self._writer.write_now(lambda: self._store.put_upload(upload))
        except BaseException:
            await asyncio.to_thread(self._files.delete_upload, upload.id)
            raise
        self._remember(upload)
        return upload

    async def upload(self, upload: str, owner: str | None) -> Upload:
        """Return an upload.

        Raises:
            NotFoundError: There is none of that owner's.
        """
        found = self._uploads.get(upload) or await self._reader.read(self._store.upload, upload)
        expired = found is not None and found.expires is not None and found.expires < time.time()
        if found is None or expired or owner not in (None, found.owner):
            raise NotFoundError(f"There is no upload {display_name(upload)}", "Send the file again")
        self._remember(found)
        return found

    async def discard(self, upload: str, owner: str | None) -> None:
        """Delete an upload; jobs that were given it keep it.

        Raises:
            NotFoundError: There is none of that owner's.
            InputError: A voice is made of it.
        """
        await self.upload(upload, owner)
        if upload in await self._reader.read(self._store.recordings):
            raise InputError(f"The upload {display_name(upload)} belongs to a voice", "Delete the voice")
        self._uploads.pop(upload, None)
        await asyncio.to_thread(self._files.delete_upload, upload)
        await self._writer.write_now(lambda: self._store.delete_uploads([upload]))

    async def check(self, operation: Operation, owner: str) -> None:
        """Refuse an operation that refers to what its owner doesn't have, or mustn't name.

        Raises:
            NotFoundError: There is no such upload or artifact.
            InputError: It names a file of this machine, an address that isn't fetched, or what can't be an index.
        """
        index = operation.index_of_media()
        if index is not None:
            check_index_name(index)
        used = []
        for reference in dict.fromkeys(operation.media()):
            if reference.upload is not None:
                used.append((await self.upload(reference.upload, owner)).id)
            elif reference.artifact is not None:
                await self._require_artifact(*reference.artifact, owner)
            elif not self._may_be_found(reference):
                resolve(str(reference), limits=self._limits)  # refuses it, in the words that all front ends have
        self._used |= dict.fromkeys(used, time.time())

    def save_uses(self) -> None:
        """Write down which uploads were used since the last time, so that those go first that nobody uses."""
        used, self._used = self._used, {}
        if used:
            self._writer.write(lambda: self._store.use_uploads(list(used), max(used.values())))

    @staticmethod
    def needs_bringing(job: LiveJob) -> bool:
        """Return whether a job refers to something that its worker must be given as a file."""
        return bool(_to_bring(job))

    async def without_data(self, operation: Operation, owner: str) -> Operation:
        """Return an operation whose ``data:`` URIs have become uploads: they are too large for a database."""
        inline = [each for each in dict.fromkeys(operation.media()) if each.lower().startswith(_DATA)]
        if not inline:
            return operation
        uploads = {}
        for reference in inline:
            media = await asyncio.to_thread(resolve, str(reference), limits=self._limits)
            uploads[str(reference)] = UPLOAD + (await self.receive(_whole(media.read()), media.name, owner)).id
        return type(operation).of(with_media(operation, uploads))

    async def bring(self, job: LiveJob, *, here: bool = False) -> Mapping[str, Mapping[str, str]]:
        """Put all that a job refers to where its worker may read it.

        Args:
            job: The job.
            here: Whether this machine needs the content too, wherever the worker is.

        Raises:
            InputError: It can't be fetched.
            NotFoundError: It has been deleted meanwhile.
            StorageError: The disk is full.
        """
        references = _to_bring(job)
        if not references:
            return {}
        names = {each: await self._name(each) for each in references}
        stop = threading.Event()
        loop = asyncio.get_running_loop()

        def tell(event: Event) -> None:
            if isinstance(event, Progress):
                loop.call_soon_threadsafe(job.tell, event_document(event))

        def hand() -> dict[str, dict[str, str]]:
            folder, handed = self._folder(job), {}
            index = job.operation.index_of_media()
            if index is not None:
                self._files.bring_index(self._files.index_place(job.owner), index)
            for each in references:
                file = hand_over(
                    self._files,
                    each,
                    folder,
                    name=names[each],
                    limits=self._limits,
                    later=self._files.scattered and index is None and not here,
                    progress=tell,
                    cancel=stop,
                )
                handed[str(each)] = {"path": file["path"], "name": file["name"]}
            if index is not None:
                with self._files.explained():
                    self._meet_earlier(job, index, handed)
                self._files.keep_index(job.owner, index)
            return handed

        job.stop_bringing = stop.set
        if not any(each.lower().startswith(_ADDRESSES) for each in references):
            return await asyncio.to_thread(hand)
        self._stops.add(stop)
        try:
            return await loop.run_in_executor(self._fetching, hand)
        finally:
            self._stops.discard(stop)

    def close(self) -> None:
        """Stop what is being fetched."""
        for stop in self._stops:
            stop.set()
        self._fetching.shutdown(wait=False, cancel_futures=True)

    def call(self, job: LiveJob) -> Call:
        """Return what a job's worker is told."""
        assert job.media is not None
        return Call(
            job.id,
            job.job.operation,
            job.job.arguments,
            job.media,
            folder=str(self._files.artifact_folder(job.id, durable=job.job.durable)),
            index_folder=self._files.index_place(job.owner),
        )

    def release(self, job: LiveJob) -> None:
        """Delete the files that an ended job was given, and what a search index holds no more."""
        self._files.delete_media(job.id)
        index = job.operation.index_of_media()
        if index is not None:
            left_out = {Media(each["media"]) for each in (job.job.result or {}).get("skipped", ())}
            if job.operation.takes_out_of_index and job.job.state == "done":
                taken_out = (reference_of(Path(file["path"]).parent.name) for file in (job.media or {}).values())
                left_out |= {reference for reference in taken_out if reference is not None}
            self._files.delete_indexed(job.owner, index, left_out)

    def _folder(self, job: LiveJob) -> Path:
        index = job.operation.index_of_media()
        if index is not None and not job.operation.takes_out_of_index:
            return self._files.indexed_folder(job.owner, index)
        return self._files.media_folder(job.id, durable=job.job.durable)

    def _meet_earlier(self, job: LiveJob, index: str, handed: dict[str, dict[str, str]]) -> None:
        """Replace what was sent to an index before, or, where it is to be taken out, point to it."""
        folder = self._files.indexed_folder(job.owner, index)
        sent = [Path(file["path"]) for file in handed.values()]
        self._fetch_alike(folder, {path.name for path in sent})
        origins = {str(reference): origin for reference, origin in job.operation.origins_of_media().items()}
        if not job.operation.takes_out_of_index:
            for reference, origin in origins.items():
                note_origin(Path(handed[reference]["path"]), origin)
            replace_earlier(folder, sent)
            return
        places = earlier_places(folder, {Path(file["path"]): origins.get(each, "") for each, file in handed.items()})
        for file, path in zip(handed.values(), sent, strict=True):
            own = folder / path.parent.name / path.name
            file["path"] = str(own if own.is_file() else places.get(path, path))

    def _fetch_alike(self, folder: Path, names: set[str]) -> None:
        """Fetch the content of indexed files that what was sent is to be compared with, where only names are here."""
        for path in folder.glob("*/*") if self._files.storage else ():
            reference = reference_of(path.parent.name)
            if path.name in names and reference is not None:
                with suppress(NotFoundError):
                    fetch_handed(self._files, reference, path)

    def _may_be_found(self, reference: Media) -> bool:
        address = reference.lower()
        return address.startswith(_DATA) or (self._limits.allow_urls and address.startswith(_ADDRESSES))

    async def _require_artifact(self, job: str, name: str, owner: str) -> None:
        live = self._records.find(job)
        known = live.job if live is not None else await self._reader.read(self._store.job, job)
        if known is None or known.owner != owner or name not in {each.name for each in known.artifacts}:
            raise NotFoundError(
                f"There is no file {display_name(name)} of a job {display_name(job)}", "See the job's artifacts"
            )

    async def _name(self, reference: Media) -> str:
        return (await self.upload(reference.upload, None)).name if reference.upload is not None else ""

    def _remember(self, upload: Upload) -> None:
        self._uploads[upload.id] = upload
        self._uploads.move_to_end(upload.id)
        if len(self._uploads) > _REMEMBERED:
            self._uploads.popitem(last=False)


def _to_bring(job: LiveJob) -> list[Media]:
    """Return what a job's worker must be given as files; small data that nobody keeps goes with the call."""
    index = job.operation.index_of_media()
    return [
        each
        for each in dict.fromkeys(job.operation.media())
        if index is not None or len(each) > _SMALL or not each.lower().startswith(_DATA)
    ]


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data
