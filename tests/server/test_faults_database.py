"""A database that stops, or hangs, and comes back: nothing accepted is lost, nothing hangs with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests import real_media
from tests.postgresql import PostgreSQL
from tests.server.watched_server import WatchedServer, until, watched_server

CAT = real_media.photo("chelsea")


@pytest.fixture(scope="module")
def server(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    folder = tmp_path_factory.mktemp("server")
    with watched_server(folder, database=postgresql.new_database(), preload=False) as server:
        yield server


def assert_says_that_the_database_is_away(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert "database" in answer.json()["error"]["message"]
    assert answer.json()["error"]["sensorium"]["type"] == "StorageError"


def test_jobs_go_on_without_the_database_and_are_in_it_when_it_is_back(
    server: WatchedServer, postgresql: PostgreSQL
) -> None:
    upload = server.upload(CAT)
    server.http.post("/v1/sensorium/queue/pause")
    jobs = [server.submit("classify", image=upload, labels=["cat", f"a dog {number}"]) for number in range(6)]
    server.http.post("/v1/sensorium/queue/resume")
    postgresql.stop()
    try:
        ended = [server.ended(job) for job in jobs]
        until(lambda: server.health()["status"] == "degraded")
        assert "database" in server.health()["database"]
        fields = {"image": upload, "labels": ["cat", "dog"]}
        for _ in range(3):
            refused = server.http.post("/v1/sensorium/classify", params={"background": "true"}, json=fields)
            assert_says_that_the_database_is_away(refused)
        assert_says_that_the_database_is_away(server.http.get("/v1/sensorium/jobs"))
        assert_says_that_the_database_is_away(server.http.post("/v1/sensorium/uploads", content=CAT.read_bytes()))
        assert server.ask("classify", **fields).status_code == 200, "a request needs no database"
    finally:
        postgresql.start()
    until(lambda: server.health()["status"] == "ok")
    assert {job["state"] for job in ended} == {"done"}
    listed = server.http.get("/v1/sensorium/jobs").json()["jobs"]
    assert {job["id"] for job in listed} == set(jobs), "what was refused is no job"
    assert {job["state"] for job in listed} == {"done"}
    assert server.ended(server.submit("classify", **fields))["state"] == "done"


def test_a_database_that_hangs_holds_up_nobody(server: WatchedServer, postgresql: PostgreSQL) -> None:
    upload = server.upload(CAT)
    fields = {"image": upload, "labels": ["cat", "dog"]}
    with postgresql.frozen(), ThreadPoolExecutor(20) as clients:
        lists = [clients.submit(server.http.get, "/v1/sensorium/jobs") for _ in range(20)]
        refused = server.http.post("/v1/sensorium/classify", params={"background": "true"}, json=fields)
        assert_says_that_the_database_is_away(refused)
        until(lambda: server.health()["status"] == "degraded")
        assert server.ask("classify", **fields).status_code == 200
        for each in lists:
            assert_says_that_the_database_is_away(each.result())
    until(lambda: server.health()["status"] == "ok")
    job = server.submit("classify", **fields)
    assert server.ended(job)["state"] == "done"
