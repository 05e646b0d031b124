"""The client of a server: what is lost on the way is asked for again, and errors come as they were raised."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sensorium.client import Client
from sensorium.errors import BusyError, CancelledError, InputError, NotFoundError, UnreachableError
from tests.refusals import refused
from tests.server.conftest import scripted_server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scripted server."""
    with scripted_server(tmp_path_factory.mktemp("server")) as (address, _):
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    """A client of that server."""
    with Client(address) as client:
        yield client


@contextmanager
def losing_connections(address: str, after: int) -> Iterator[str]:
    """Pass connections on to a server, and lose each once so many bytes have come back; give the address for that."""
    server = (urlsplit(address).hostname, urlsplit(address).port)
    with socket.create_server(("127.0.0.1", 0)) as door:
        threads: list[threading.Thread] = []

        def pass_on(source: socket.socket, target: socket.socket, most: int | None) -> None:
            count = 0
            with suppress(OSError):
                while data := source.recv(64):
                    target.sendall(data)
                    count += len(data)
                    if most is not None and count >= most:
                        break
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = door.accept()
                    far = socket.create_connection(server)
                    for each in ((near, far, None), (far, near, after)):
                        threads.append(threading.Thread(target=pass_on, args=each))
                        threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            door.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for each in threads:
                each.join()


def find(client: Client, script: str) -> str:
    return client.submit("find-moment", {"film": "upload:1", "text": script}).id


def test_events_are_taken_up_again_when_the_connection_is_lost(client: Client, address: str) -> None:
    job = find(client, "steps")
    whole = list(client.events(job))
    assert [number for number, _ in whole] == [1, 2, 3, 4, 5, 6]
    with losing_connections(address, after=1200) as unreliable, Client(unreliable) as other:
        assert list(other.events(job)) == whole


def test_a_server_that_is_lost_for_good_is_told(monkeypatch: pytest.MonkeyPatch, client: Client, address: str) -> None:
    monkeypatch.setattr("sensorium.client._LONGEST_PAUSE", 0.01)
    job = find(client, "wait")
    with (
        losing_connections(address, after=1) as unreliable,
        Client(unreliable) as other,
        refused(UnreachableError, unreliable),
    ):
        list(other.events(job))
    assert client.cancel(job).state == "cancelled"


def test_files_go_there_and_come_back(client: Client, tmp_path: Path) -> None:
    upload = client.upload(io.BytesIO(b"some bytes"), "dir/ü.bin")
    assert (upload.name, upload.size) == ("dir/ü.bin", 10)
    client.discard(upload.id)
    with refused(NotFoundError, upload.id):
        client.discard(upload.id)
    job = find(client, "steps")
    client.download(job, "picture-1.png", tmp_path / "here.png")
    assert (tmp_path / "here.png").read_bytes() == bytes(range(256))
    with refused(NotFoundError, "other.png"):
        client.download(job, "other.png", tmp_path / "other.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.png"]


def test_a_full_queue_is_asked_again_and_then_told(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(Client, "_pause", lambda self, seconds: pauses.append(seconds))
    with refused(BusyError) as failure:
        find(client, "BusyError")
    assert pauses
    assert set(pauses) == {7.0}
    assert isinstance(failure.value, BusyError)
    assert failure.value.retry_after == 7


def test_waiting_ends_when_it_is_cancelled(address: str) -> None:
    stop = threading.Event()
    stop.set()
    with Client(address, cancel=stop) as client, pytest.raises(CancelledError):
        find(client, "BusyError")


def test_jobs_are_listed_and_what_is_refused_is_refused(client: Client) -> None:
    job = find(client, "steps")
    assert client.job(job).state == "done"
    assert client.jobs(["done"], limit=1)[0].id == job
    with refused(NotFoundError, "nothing"):
        client.job("nothing")
    with refused(InputError, job):
        client.move(job, 0)
    client.pause()
    client.resume()


@pytest.mark.parametrize("address", ["", "127.0.0.1:8756", "ftp://x", "http://", "http://x:port", "http://x?y=1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with refused(InputError, repr(address)):
        Client(address)


def test_nobody_there_is_told_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client, refused(UnreachableError, str(port), "sensorium serve"):
        client.jobs()
