"""Processes that are killed or hang cost what they worked on at most: a worker, the server itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import real_media
from tests.server.long_speech import long_speech
from tests.server.watched_server import HEALTH, JOBS, WatchedServer, until, watched_server

CAT = real_media.photo("chelsea")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with watched_server(tmp_path_factory.mktemp("processes"), preload=False, cancel_grace=1, time_limit=600) as server:
        yield server


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_speech(tmp_path_factory.mktemp("talk"))


def works(server: WatchedServer) -> bool:
    """Return whether the next request is answered."""
    answer = server.ask("classify", image=server.upload(CAT), labels=["cat", "dog", "car"])
    return bool(answer.status_code == 200 and answer.json()["result"]["labels"][0]["label"] == "cat")


def test_a_killed_worker_costs_its_job_and_a_second_one_has_it_refused(server: WatchedServer, talk: Path) -> None:
    workers = set()
    for _ in range(2):
        job = server.submit("transcribe", audio=server.upload(talk))
        worker = server.worker(job)
        workers.add(worker)
        until(lambda job=job: server.job(job)["progress"])
        os.kill(worker, signal.SIGKILL)
        ended = server.ended(job)
        assert ended["state"] == "failed"
        assert ended["error"]["type"] == "WorkerLostError"
        assert "signal 9" in ended["error"]["message"]
        assert works(server)
    assert len(workers) == 2
    refused = server.ask("transcribe", audio=server.upload(talk))
    assert refused.status_code == 500
    assert "refused" in refused.json()["error"]["message"]
    assert works(server)


def test_jobs_in_a_worker_that_is_killed_are_answered_by_the_next_one(server: WatchedServer) -> None:
    assert works(server)
    worker = server.worker()
    os.kill(worker, signal.SIGSTOP)  # so that all of them are in it for sure
    upload = server.upload(CAT)
    jobs = [
        server.submit("classify", image=upload, labels=["cat", "dog"]),
        server.submit("caption", image=upload),
    ]
    for job in jobs:
        server.until_state(job, "running")
    os.kill(worker, signal.SIGKILL)
    ended = [server.ended(job) for job in jobs]
    assert [(job["state"], job["attempts"]) for job in ended] == [("done", 2)] * 2


def test_a_worker_that_hangs_is_ended_when_its_job_is_cancelled(server: WatchedServer, talk: Path) -> None:
    job = server.submit("transcribe", audio=server.upload(talk), language="en")
    worker = server.worker(job)
    os.kill(worker, signal.SIGSTOP)
    answer = server.http.post(f"{JOBS}/{job}/cancel")
    assert answer.json()["state"] == "cancelled"
    assert server.health()["workers"] == []
    assert not psutil.pid_exists(worker)
    assert works(server)


def test_a_worker_that_hangs_is_told_by_health(server: WatchedServer) -> None:
    assert works(server)
    worker = server.worker()
    os.kill(worker, signal.SIGSTOP)
    health = server.http.get(HEALTH)
    os.kill(worker, signal.SIGCONT)
    assert health.status_code == 503
    assert health.json()["status"] == "degraded"
    assert [each["alive"] for each in health.json()["workers"]] == [False]
    until(lambda: server.health()["status"] == "ok")


def test_a_job_past_its_time_fails_though_its_worker_hangs(tmp_path: Path, talk: Path) -> None:
    with watched_server(tmp_path, preload=False, time_limit=4, cancel_grace=1) as server:
        job = server.submit("transcribe", audio=server.upload(talk))
        worker = server.worker(job)
        os.kill(worker, signal.SIGSTOP)
        ended = server.ended(job)
        assert (ended["state"], ended["error"]["type"]) == ("failed", "TimeLimitError")
        assert "4 seconds" in ended["error"]["message"]
        until(lambda: not psutil.pid_exists(worker))
        assert works(server)


def test_a_killed_server_takes_its_processes_along_and_the_next_one_goes_on(tmp_path: Path, talk: Path) -> None:
    with watched_server(tmp_path, killed=True, preload=False) as server:
        running = server.submit("transcribe", audio=server.upload(talk))
        server.worker(running)
        until(lambda: server.job(running)["progress"])
        upload = server.upload(CAT)
        server.http.post("/v1/sensorium/queue/pause")
        waiting = [server.submit("classify", image=upload, labels=["cat", "dog"]) for _ in range(2)]
        heard = last_event(server, running)
        server.process.kill()
    with watched_server(tmp_path, killed=True, preload=False) as server:
        assert [server.job(job)["state"] for job in waiting] == ["queued", "queued"]
        server.http.post("/v1/sensorium/queue/resume")
        assert [server.ended(job)["state"] for job in waiting] == ["done", "done"]
        again = server.until_state(running, "running")
        assert again["attempts"] == 2
        assert "restarted" in kinds_after(server, running, heard, until_kind="restarted")
        server.worker(running)
        server.process.kill()
    with watched_server(tmp_path, preload=False) as server:
        ended = server.job(running)
        assert (ended["state"], ended["error"]["type"]) == ("interrupted", "InterruptedJobError")
        assert kinds_after(server, running, heard, until_kind="ended")[-1] == "ended"
        assert works(server)


def last_event(server: WatchedServer, job: str) -> int:
    """Read a job's events until some progress is told; return the number of the last one."""
    with server.http.stream("GET", f"{JOBS}/{job}/events") as answer:
        number, progress = 0, False
        for line in answer.iter_lines():
            progress = progress or line == "event: progress"
            if line.startswith("id: "):
                number = int(line[4:])
            if progress and line == "":
                return number
    raise AssertionError("it told no progress")


def kinds_after(server: WatchedServer, job: str, number: int, *, until_kind: str) -> list[str]:
    """Take up a job's events again after a number; return their kinds until one of a kind comes."""
    kinds = []
    with server.http.stream("GET", f"{JOBS}/{job}/events", headers={"Last-Event-ID": str(number)}) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kinds.append(line[7:])
            if until_kind in kinds and line == "":
                break
    return kinds
