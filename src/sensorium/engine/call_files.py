"""The files of calls in a worker: their media are made present, and what they make is published, on any machine."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from sensorium.engine.handed_media import HandedFile, fetch_handed
from sensorium.engine.identifiers import check_index_name
from sensorium.engine.stored_job_files import StoredJobFiles
from sensorium.engine.wire import StorageSetup
from sensorium.errors import StorageError
from sensorium.operations.media import Media
from sensorium.progress import Cancellation


class CallFiles:
    """Knows where the files of calls come from and go to. Safe to use from any thread.

    Args:
        storage: Where they are if they aren't on this machine; None if they always are.

    Raises:
        StorageError: The folder can't be written.
    """

    def __init__(self, storage: StorageSetup | None) -> None:
        self._files: StoredJobFiles | None = None
        self._fetched: dict[str, list[Path]] = {}
        self._guard = threading.Lock()
        if storage is not None:
            self._files = StoredJobFiles(
                storage.folder, storage.address, cache_bytes=storage.cache_bytes, scattered=storage.scattered
            )
            self._files.join()

    def medium(self, call: str, reference: Media, file: HandedFile) -> Path:
        """Return the file of a medium, fetched if it isn't on this machine.

        Raises:
            NotFoundError: It was deleted meanwhile.
            StorageError: The object store is away, or the disk is full.
        """
        path = Path(file["path"])
        if self._files is not None and fetch_handed(self._files, reference, path):
            with self._guard:
                self._fetched.setdefault(call, []).append(path)
        return path

    def index(self, place: str, name: str) -> str:
        """Return where a search index lies, with all that is to be known on this machine of the files it holds.

        Args:
            place: Where those of its owner lie.
            name: Of the index.

        Raises:
            InputError: It is no name of an index.
            StorageError: The object store is away, or the folder can't be made.
        """
        if self._files is not None:
            self._files.bring_index(place, name)
            return f"{place}/{check_index_name(name)}"
        folder = Path(place)
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError(
                f"The folder of search indexes can't be made: {(error.strerror or str(error)).lower()}",
                "See that the server's disk has room",
            ) from None
        return str(folder / check_index_name(name))

    def publish(self, source: Path, artifact: Path, cancel: Cancellation) -> None:
        """Let everybody read a file of a result: see `JobFiles.publish`."""
        if self._files is not None:
            self._files.publish(source, artifact, cancel)

    def let_go(self, call: str) -> None:
        """Delete the media that were fetched for a call that has ended."""
        with self._guard:
            fetched = self._fetched.pop(call, ())
        for path in fetched:
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()
