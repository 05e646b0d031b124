"""A client of ``sensorium serve``: it knows HTTP and the documents, and nothing of how anything is done."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self
from urllib.parse import quote, urlsplit

from sensorium import settings
from sensorium.engine.job import Job, State, Upload
from sensorium.errors import BusyError, ClosedError, InputError, SensoriumError, UnreachableError
from sensorium.media.atomic_file import atomic_file
from sensorium.progress import Cancellation, check_cancelled

if TYPE_CHECKING:
    import httpx2

_ROOT = "/v1/sensorium"
_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 60.0
"""A stream of events on which nothing comes for so long is lost: the server tells every 15 seconds that it is there."""
_TRIES = 8
_LONGEST_PAUSE = 10.0
_BLOCK = 1 << 20


class Client:
    """A server, as a context manager; may be used by several threads.

    Args:
        address: Such as ``"http://127.0.0.1:8756"``.
        cancel: Ends waits and attempts to reach the server again.

    Raises:
        InputError: That is no address.
        UnreachableError: By every method: nobody answers there.
        SensoriumError: By every method: what the server refuses, as if it had been refused here.
    """

    def __init__(self, address: str, *, cancel: Cancellation | None = None) -> None:
        if not _is_address(address):
            raise InputError(f"{address!r} is no address of a server", "Write it like http://127.0.0.1:8756")
        self.address = address.rstrip("/")
        self._cancel = cancel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if "_http" in vars(self):
            self._http.close()

    def submit(self, operation: str, fields: Mapping[str, Any]) -> Job:
        """Queue an operation as a job, which goes on whether or not anybody listens.

        If the queue is full, this waits and asks again, for a while.

        Raises:
            BusyError: It was full for too long.
        """
        for left in reversed(range(_TRIES)):
            try:
                return Job.from_dict(self.ask("POST", f"/{operation}", params={"background": "true"}, json=fields))
            except BusyError as busy:
                if not left:
                    raise
                self._pause(min(busy.retry_after, _LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def events(self, job: str, after: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield number and document of each event after a number, to ``ended``; lost connections are taken up again."""
        lost, last = 0, after
        while True:
            try:
                for number, document in self._stream("GET", f"/jobs/{quote(job, safe='')}/events", after=last):
                    lost, last = 0, number or last
                    yield number, document
                    if document["type"] == "ended":
                        return
                reason: SensoriumError = ClosedError("The server ended the stream of events", "Ask for the job later")
            except (UnreachableError, ClosedError) as error:
                reason = error
            lost += 1
            if lost >= _TRIES:
                raise reason
            self._pause(min(0.25 * 2**lost, _LONGEST_PAUSE))

    def job(self, job: str) -> Job:
        """Return a job as it is now."""
        return Job.from_dict(self.ask("GET", f"/jobs/{quote(job, safe='')}"))

    def jobs(self, states: Collection[State] = (), limit: int = 50, before: str | None = None) -> list[Job]:
        """Return jobs, the newest first, without their results and arguments."""
        params: dict[str, Any] = {"state": list(states), "limit": limit} | ({"before": before} if before else {})
        return [Job.from_dict(each) for each in self.ask("GET", "/jobs", params=params)["jobs"]]

    def cancel(self, job: str) -> Job:
        """Cancel a job; return it once it has ended."""
        return Job.from_dict(self.ask("POST", f"/jobs/{quote(job, safe='')}/cancel"))

    def move(self, job: str, position: int) -> Job:
        """Let a queued job start after so many others."""
        return Job.from_dict(self.ask("POST", f"/jobs/{quote(job, safe='')}/move", json={"position": position}))

    def pause(self) -> None:
        """Start no more jobs."""
        self.ask("POST", "/queue/pause")

    def resume(self) -> None:
        """Start jobs again."""
        self.ask("POST", "/queue/resume")

    def upload(self, file: BinaryIO, name: str) -> Upload:
        """Send a file, from where it stands.

        Args:
            file: Open for reading bytes.
            name: What it is called in messages.
        """
        headers = {"content-type": "application/octet-stream"}
        return Upload.from_dict(
            self.ask("POST", "/uploads", params={"name": name[-255:]}, content=_blocks(file), headers=headers)
        )

    def discard(self, upload: str) -> None:
        """Delete an upload once no job uses it."""
        self.ask("DELETE", f"/uploads/{quote(upload, safe='')}")

    def download(self, job: str, name: str, path: Path) -> None:
        """Write an artifact of a job to a file, which appears complete or not at all."""
        where = f"/jobs/{quote(job, safe='')}/artifacts/{quote(name, safe='')}"
        with self._answer("GET", where) as answer, atomic_file(path) as temporary, temporary.open("wb") as file:
            for block in answer.iter_bytes(_BLOCK):
                check_cancelled(self._cancel)
                file.write(block)

    def pull(self, model: str, *, convert_pickle: bool = False) -> Iterator[Mapping[str, Any]]:
        """Let the server fetch a checkpoint; yield what it tells of that, to ``ended``."""
        asked = {"model": model, "convert_pickle": convert_pickle}
        for _, document in self._stream("POST", "/models/pull", json=asked):
            yield document

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Return the JSON that a request under ``/v1/sensorium`` is answered with; None if there is none."""
        with self._answer(method, path, **request) as answer:
            answer.read()
            return answer.json() if answer.content else None

    def _stream(self, method: str, path: str, **request: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
        import json

        from httpx2 import EventSource

        after = request.pop("after", 0)
        request["headers"] = {"last-event-id": str(after)}
        with self._answer(method, path, **request) as answer:
            for event in EventSource(answer, max_event_size=None):
                document = json.loads(event.data)
                if "error" in document and "type" not in document:
                    raise _error_in(document, answer)
                yield int(event.id or 0), document

    @contextmanager
    def _answer(self, method: str, path: str, **request: Any) -> Iterator[httpx2.Response]:
        import httpx2

        try:
            with self._http.stream(method, self.address + _ROOT + path, **request) as answer:
                if answer.is_error:
                    answer.read()
                    raise _error_in(_document(answer), answer)
                yield answer
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    @cached_property
    def _http(self) -> httpx2.Client:
        import httpx2

        # A proxy of the network's knows nothing of this machine's own ports.
        local = urlsplit(self.address).hostname in ("localhost", "127.0.0.1", "::1")
        key = settings.api_key()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        return httpx2.Client(timeout=timeout, trust_env=not local, follow_redirects=False, headers=headers)

    def _unreachable(self, error: httpx2.TransportError) -> UnreachableError:
        import httpx2

        if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
            return UnreachableError(
                f"No server answers at {self.address}", "Start one with 'sensorium serve', or name another address"
            )
        return UnreachableError(f"The connection to {self.address} was lost", "See whether the server still runs")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            check_cancelled(self._cancel)
            time.sleep(0.05)


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        return False


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _document(answer: httpx2.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _error_in(document: Mapping[str, Any], answer: httpx2.Response) -> SensoriumError:
    told = document.get("error")
    if not isinstance(told, dict) or not isinstance(told.get("sensorium"), dict):
        return InputError(
            f"What answers at {answer.url.host}:{answer.url.port} is no Sensorium server (status {answer.status_code})",
            "Name the address that 'sensorium serve' prints",
        )
    error = SensoriumError.from_dict(told["sensorium"])
    if isinstance(error, BusyError):
        error.retry_after = float(answer.headers.get("retry-after", error.retry_after))
    return error
