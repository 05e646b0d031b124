"""Clients that vanish, dawdle or come in crowds hold up nobody, and each is answered or told to come again."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx2
import pytest

from tests import real_media
from tests.server.long_speech import long_speech
from tests.server.test_slow_clients import connection, dawdled
from tests.server.watched_server import JOBS, UPLOADS, WatchedServer, until, watched_server

CAT = real_media.photo("chelsea")
_QUEUE = 16
_CLIENTS = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    folder = tmp_path_factory.mktemp("server")
    with watched_server(folder, preload=False, queue=_QUEUE, patience=4) as server:
        yield server


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech that takes long to write down."""
    return long_speech(tmp_path_factory.mktemp("talk"))


def posted(path: str, fields: dict[str, object]) -> bytes:
    """Return a request as it is sent."""
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def running(server: WatchedServer) -> list[str]:
    """Return the jobs that workers work on."""
    return [job for model in server.loaded() for job in model["running"]]


def works(server: WatchedServer) -> bool:
    """Return whether another request is answered."""
    answer = server.ask("classify", image=server.upload(CAT), labels=["cat", "dog", "car"])
    return bool(answer.status_code == 200 and answer.json()["result"]["labels"][0]["label"] == "cat")


@pytest.mark.parametrize("way", ["", "?stream=true"])
def test_a_client_that_vanishes_frees_the_worker(server: WatchedServer, talk: Path, way: str) -> None:
    assert works(server)
    worker = server.worker()
    fields = {"audio": server.upload(talk)}
    with connection(server.address) as vanishing:
        vanishing.sendall(posted(f"/v1/sensorium/transcribe{way}", fields))
        until(lambda: running(server))
    until(lambda: not running(server))
    assert works(server)
    assert server.worker() == worker
    assert server.health()["queued"] == 0


def test_a_client_that_vanishes_while_it_sends_leaves_nothing(server: WatchedServer) -> None:
    for path in (UPLOADS, "/v1/sensorium/classify"):
        with connection(server.address) as vanishing:
            head = (
                f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000000"
            )
            vanishing.sendall(head.encode() + b"\r\n\r\n" + bytes(3_000_000))
    assert works(server)


def test_clients_that_read_a_byte_a_second_hold_up_nobody(server: WatchedServer, talk: Path) -> None:
    spoken = server.ask("speak", text="The harvest was late this year. " * 40, format="wav").json()
    (artifact,) = spoken["artifacts"]
    assert artifact["size"] > 1_000_000
    path = f"{JOBS}/{spoken['job']}/artifacts/{artifact['name']}"
    job = server.submit("transcribe", audio=server.upload(talk))
    requests = [f"GET {each} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() for each in (path, f"{JOBS}/{job}/events")]
    readers = [slow_reader(server.address) for _ in range(40)]
    try:
        for number, reader in enumerate(readers):
            reader.sendall(requests[number % 2])
        for _ in range(4):
            for reader in readers:
                assert reader.recv(1)
            assert works(server)
            time.sleep(1)
        assert server.job(job)["state"] == "running"
        assert server.http.get(path).content[:4] == b"RIFF"
    finally:
        for reader in readers:
            reader.close()
    assert server.job(job)["state"] == "running", "a job needs no reader"
    assert server.http.post(f"{JOBS}/{job}/cancel").json()["state"] == "cancelled"


def slow_reader(address: str) -> socket.socket:
    """Return a connection for which the system keeps little: what isn't read stays with the server."""
    host, port = address.removeprefix("http://").split(":")
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(60)
    reader.connect((host, int(port)))
    return reader


def test_clients_that_send_byte_by_byte_are_ended(server: WatchedServer) -> None:
    heads = (
        f"POST {UPLOADS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9000\r\n\r\n",
        "POST /v1/sensorium/embed HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9000\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: loc",
    )
    with ThreadPoolExecutor(len(heads)) as clients:
        answers = [clients.submit(dawdled, server.address, server.http, head.encode()) for head in heads]
        assert works(server)
        for answer in answers:
            assert answer.result().startswith(b"HTTP/1.1 408 ")


def test_a_crowd_is_answered_or_told_when_to_come_again(server: WatchedServer) -> None:
    limits = httpx2.Limits(max_connections=_CLIENTS + 1, max_keepalive_connections=0)
    with (
        httpx2.Client(base_url=server.address, trust_env=False, timeout=120, limits=limits) as http,
        ThreadPoolExecutor(_CLIENTS) as crowd,
    ):

        def ask(number: int) -> httpx2.Response:
            return http.post("/v1/sensorium/embed", json={"texts": [f"a photo of {number} cats"]})

        http.post("/v1/sensorium/queue/pause").raise_for_status()
        asked = as_completed([crowd.submit(ask, number) for number in range(_CLIENTS)])
        refused = [next(asked).result() for _ in range(_CLIENTS - _QUEUE)]
        http.post("/v1/sensorium/queue/resume").raise_for_status()
        answered = [each.result() for each in asked]
        assert [answer.status_code for answer in answered] == [200] * _QUEUE
        assert {answer.status_code for answer in refused} == {429}
        for answer in refused:
            assert int(answer.headers["retry-after"]) >= 1
            assert f"{_QUEUE} jobs" in answer.json()["error"]["message"]
        statuses = [answer.status_code for answer in crowd.map(ask, range(_CLIENTS))]  # while work goes on
        assert set(statuses) <= {200, 429}
        assert statuses.count(200) >= _QUEUE
    assert works(server)
