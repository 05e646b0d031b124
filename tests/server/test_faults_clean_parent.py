"""The process that workers are forked from: killed, it costs nothing. Memory is back when models are unloaded."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests import real_media
from tests.server.long_speech import long_speech
from tests.server.watched_server import WatchedServer, until, watched_server

CAT = real_media.photo("chelsea")
_ROUNDS = 2
_GROWTH = 1.1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with watched_server(tmp_path_factory.mktemp("server")) as server:
        yield server


def works(server: WatchedServer) -> bool:
    """Return whether the next request is answered."""
    answer = server.ask("classify", image=server.upload(CAT), labels=["cat", "dog", "car"])
    return bool(answer.status_code == 200 and answer.json()["result"]["labels"][0]["label"] == "cat")


def unload(server: WatchedServer) -> None:
    """Unload everything; the processes are gone then."""
    for model in server.loaded():
        server.http.post("/v1/sensorium/models/unload", json={"model": model["name"]}).raise_for_status()
        assert not psutil.pid_exists(model["pid"])
    assert server.loaded() == []


def memory(server: WatchedServer) -> int:
    """Return the bytes that belong to the server and to what it keeps beside it."""
    return sum(psutil.Process(pid).memory_full_info().uss for pid in server.processes())


def one_round(server: WatchedServer) -> int:
    """Let several models work, unload them; return what is taken then."""
    upload = server.upload(CAT)
    assert works(server)
    assert server.ask("caption", image=upload).status_code == 200
    assert server.ask("speak", text="The harvest was late this year.", format="wav").status_code == 200
    job = server.submit("ask", image=upload, question="What is it?")
    assert server.ended(job)["state"] == "done"
    unload(server)
    assert len(server.processes()) == 2
    return memory(server)


def test_memory_is_back_when_everything_is_unloaded(server: WatchedServer, measured: Callable[[str], None]) -> None:
    first = one_round(server)
    later = [one_round(server) for _ in range(_ROUNDS)]
    figures = ", ".join(f"{size / 1e6:.1f}" for size in (first, *later))
    measured(f"memory of a server and its clean parent after each round of loading and unloading: {figures} MB")
    assert max(later) < first * _GROWTH, figures


def test_a_killed_clean_parent_costs_nothing(server: WatchedServer, tmp_path: Path) -> None:
    assert works(server)
    job = server.submit("transcribe", audio=server.upload(long_speech(tmp_path)))
    worker = server.worker(job)
    first = server.clean_parent()
    os.kill(first, signal.SIGKILL)  # while its worker works
    assert works(server)
    assert server.worker(job) == worker
    os.kill(worker, signal.SIGKILL)  # whose parent nobody is any more
    assert "WorkerLostError" in str(server.ended(job)["error"])
    assert works(server)
    second = server.clean_parent()
    assert second != first
    unload(server)
    os.kill(second, signal.SIGKILL)  # while nothing is loaded
    assert works(server)
    assert server.clean_parent() not in (first, second)
    assert until(lambda: len(server.processes()) == 3)
