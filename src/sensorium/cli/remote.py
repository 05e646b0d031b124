"""Running operations on a server: files go there, events and files come back, Ctrl-C goes there too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.cli.interrupt import cancel
from sensorium.cli.outputs import place_for
from sensorium.client import Client
from sensorium.errors import CancelledError, InternalError, SensoriumError
from sensorium.operations.events import event_from
from sensorium.operations.media import ARTIFACT, UPLOAD, Media, with_media
from sensorium.progress import Event, Finished, Note, Piece, Progress, check_cancelled

if TYPE_CHECKING:
    from sensorium.cli.running import OwnMedia
    from sensorium.cli.terminal import Terminal
    from sensorium.operations.operation import Operation

_AT_ONCE = 8
_STAY = (UPLOAD, ARTIFACT, "data:")


class RemoteOperations:
    """Runs operations on a server.

    Args:
        terminal: Where progress and notes are shown.
        address: Of the server.
        media: Finds the user's files, which are sent to the server; addresses are fetched here too, since a server
            fetches for nobody by default.
    """

    def __init__(self, terminal: Terminal, address: str, media: OwnMedia) -> None:
        self._terminal = terminal
        self._media = media
        self._client = Client(address, cancel=cancel)
        self._uploads: dict[Media, str] = {}
        self._kept: set[str] = set()
        self._guard = threading.Lock()
        self._speaking = threading.Lock()

    def close(self) -> None:
        """Delete what was sent, unless an index knows it now, and close the connections."""
        for upload in set(self._uploads.values()) - self._kept:
            with suppress(SensoriumError):
                self._client.discard(upload.removeprefix(UPLOAD))
        self._client.close()

    def run(self, operation: Operation, files: Sequence[Path] = (), told: Callable[[Event], None] | None = None) -> Any:
        """Run an operation; return its result.

        Args:
            operation: What to do.
            files: Where the files that it makes go to, in their order.
            told: Called with each event that is neither progress nor a note.
        """
        job = self._client.submit(operation.name, self._fields(operation))
        with self._cancelled_with_the_command(job.id):
            heard = _Heard(self._terminal, self._speaking, self._client, operation, files, told)
            for _, document in self._client.events(job.id):
                heard.hear(job.id, document)
            result = operation.result_type().from_dict(_result(heard.ended))
        if _stays(operation):
            self._leave(operation)
        return result

    def run_together(self, operations: Sequence[Operation]) -> Iterator[Any]:
        """Run operations, several at once.

        Yields:
            For each operation, in order, its result, or the error that says why there is none.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(self._attempted, operations)

    def _attempted(self, operation: Operation) -> Any:
        try:
            check_cancelled(cancel)
            return self.run(operation)
        except Exception as error:
            return error

    def _fields(self, operation: Operation) -> Mapping[str, Any]:
        """Return the fields of an operation in which files have become uploads."""
        local = [each for each in operation.media() if not each.lower().startswith(_STAY)]
        sent: dict[str, str] = {each: self._uploaded(each) for each in local}
        if _stays(operation):
            self._kept.update(sent.values())
        fields: Mapping[str, Any] = with_media(operation, sent)
        return fields

    def _uploaded(self, media: Media) -> str:
        with self._guard:
            if media not in self._uploads:
                self._uploads[media] = UPLOAD + self._send(media)
            return self._uploads[media]

    def _leave(self, operation: Operation) -> None:
        """Leave on the server what an index there has taken up: it would lose what is deleted."""
        with self._guard:
            for each in operation.media():
                self._uploads.pop(each, None)

    def _send(self, reference: Media) -> str:
        media = self._media.resolved(reference)
        with media.open() as file:
            return self._client.upload(file, media.name).id

    @contextmanager
    def _cancelled_with_the_command(self, job: str) -> Iterator[None]:
        """Let Ctrl-C cancel a job, whatever the command waits for meanwhile."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                if cancel.is_set():
                    with suppress(SensoriumError):
                        self._client.cancel(job)
                    return

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            over.set()


class _Heard:
    """What a job tells, told on to the command as if the job ran here."""

    def __init__(
        self,
        terminal: Terminal,
        speaking: threading.Lock,
        client: Client,
        operation: Operation,
        files: Sequence[Path],
        told: Callable[[Event], None] | None,
    ) -> None:
        self._terminal = terminal
        self._speaking = speaking
        self._client = client
        self._operation = operation
        self._files = iter(files)
        self._told = told
        self._written: dict[str, Path] = {}
        self._parts = _Once()
        self._characters = _Once()
        self.ended: Mapping[str, Any] = {}

    def hear(self, job: str, document: Mapping[str, Any]) -> None:
        """Take an event."""
        match document["type"]:
            case "state":
                if document.get("position"):
                    self._tell(Progress(f"waiting, {document['position']} before this one", 0))
            case "artifact":
                self._fetch(job, document["name"])
            case "restarted":
                self._tell(Note("The server had to begin again."))
                self._parts.again()
                self._characters.again()
            case "ended":
                self.ended = document["job"]
                for artifact in self.ended.get("artifacts", ()):
                    self._fetch(job, artifact["name"])
            case _:
                self._tell(event_from(document))

    def _fetch(self, job: str, name: str) -> None:
        if name not in self._written:
            path = next(self._files, None)
            if path is None:
                return  # a file that the command has no use for
            with place_for(path, name) as place:
                self._client.download(job, name, place)
            self._written[name] = path

    def _tell(self, event: Event) -> None:
        match event:
            case Progress():
                with self._speaking:
                    self._terminal.progress(event)
            case Note(text):
                with self._speaking:
                    self._terminal.note(text)
            case Piece(text):
                self._pass_on(Piece(text[self._characters.known(len(text)) :]))
            case Finished(result):
                if not self._parts.known(1):
                    part = self._operation.part_type()
                    self._pass_on(Finished(part.from_dict(result) if part is not None else result))
            case _:
                self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if self._told is not None and event != Piece(""):
            self._told(event)


class _Once:
    """How much of what comes was there before a job began again: that isn't told twice."""

    def __init__(self) -> None:
        self._told = 0
        self._came = 0

    def again(self) -> None:
        """Begin to count anew."""
        self._came = 0

    def known(self, amount: int) -> int:
        """Return how much of the next amount was told before."""
        known = min(max(self._told - self._came, 0), amount)
        self._came += amount
        self._told = max(self._told, self._came)
        return known


def _stays(operation: Operation) -> bool:
    """Return whether a search index goes on referring to what was sent."""
    return operation.index_of_media() is not None and not operation.takes_out_of_index


def _result(job: Mapping[str, Any]) -> Mapping[str, Any]:
    if job["state"] == "done":
        result: Mapping[str, Any] = job["result"]
        return result
    if job["state"] == "cancelled":
        raise CancelledError("The job was cancelled")
    if job.get("error"):
        raise SensoriumError.from_dict(job["error"])
    raise InternalError(f"The job ended as {job['state']!r}, without a reason", "Run the command again")
