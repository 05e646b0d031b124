"""Clients that vanish, dawdle or send too much cost nobody else anything."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2

FIND = "/v1/sensorium/find-moment"
JOBS = "/v1/sensorium/jobs"
UPLOADS = "/v1/sensorium/uploads"


def connection(address: str) -> socket.socket:
    """Return a bare connection to a server."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=60)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state_of_newest(http: httpx2.Client) -> str:
    """Return the state of the newest job; "" if there is none yet."""
    jobs = http.get(JOBS, params={"limit": 1}).json()["jobs"]
    return str(jobs[0]["state"]) if jobs else ""


def request(path: str, script: str) -> bytes:
    body = json.dumps({"film": "upload:1", "text": script}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def test_a_client_that_goes_while_it_waits_cancels_its_job(address: str, http: httpx2.Client) -> None:
    with connection(address) as vanishing:
        vanishing.sendall(request(FIND, "wait"))
        until(lambda: state_of_newest(http) == "running")
    until(lambda: state_of_newest(http) == "cancelled")


def test_a_client_that_goes_from_its_stream_cancels_its_job(address: str, http: httpx2.Client) -> None:
    with connection(address) as vanishing:
        vanishing.sendall(request(f"{FIND}?stream=true", "wait"))
        assert vanishing.recv(10) == b"HTTP/1.1 2"
        assert state_of_newest(http) == "running"
    until(lambda: state_of_newest(http) == "cancelled")


def test_a_job_goes_on_without_its_reader(address: str, http: httpx2.Client) -> None:
    job = http.post(FIND, params={"background": "true"}, json={"film": "upload:1", "text": "wait"}).json()["id"]
    with connection(address) as vanishing:
        vanishing.sendall(f"GET {JOBS}/{job}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert vanishing.recv(10) == b"HTTP/1.1 2"
    with connection(address) as other:
        other.sendall(f"GET {JOBS}/{job}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert other.recv(10) == b"HTTP/1.1 2"
    assert http.get(f"{JOBS}/{job}").json()["state"] == "running"
    http.post(f"{JOBS}/{job}/cancel")


def dawdled(address: str, http: httpx2.Client, head: bytes) -> bytes:
    """Send a request byte by byte until the server has had enough; return its answer."""
    with connection(address) as slow:
        slow.sendall(head)
        slow.settimeout(0.2)
        for _ in range(300):
            slow.sendall(b"x")
            assert http.get("/health").status_code == 200
            try:
                return slow.recv(100_000)
            except TimeoutError:
                continue
    raise AssertionError("the server waits for ever")


def test_a_body_that_comes_byte_by_byte_is_refused(address: str, http: httpx2.Client) -> None:
    for path in (UPLOADS, FIND):
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n"
        )
        assert dawdled(address, http, head.encode()).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_comes_byte_by_byte_is_refused(address: str, http: httpx2.Client) -> None:
    assert dawdled(address, http, b"GET /health HTTP/1.1\r\nhost: loc").startswith(b"HTTP/1.1 408 ")


def test_a_connection_on_which_nothing_comes_is_closed(address: str) -> None:
    with connection(address) as silent:
        assert silent.recv(1) == b""


def test_too_large_a_body_is_refused(http: httpx2.Client) -> None:
    declared = http.post(FIND, json={"film": "upload:1", "text": "x" * 100_001})
    in_pieces = http.post(FIND, content=iter([b"x" * 60_000] * 2), headers={"content-type": "application/json"})
    for answer in (declared, in_pieces):
        assert answer.status_code == 413
        assert "100000" in answer.json()["error"]["message"]
    assert http.get("/health").status_code == 200
