"""A server whose files lie in an object store: whichever machine it runs on next, and while the store is away."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import httpx2
import pytest

from sensorium.storage.opening import location_of
from tests import real_media
from tests.forwarding import Forwarder, forwarding
from tests.object_storage import ObjectStorage, object_storage
from tests.processes import SENSORIUM, running
from tests.server.watched_server import JOBS, UPLOADS, until, watched_server

CAT, COFFEE = real_media.photo("chelsea"), real_media.photo("coffee")


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running:
        yield running


@pytest.fixture
def door(store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forwarder]:
    """The way to the store, for this process and the servers that it starts."""
    with forwarding(urlparse(store.endpoint).port or 0) as door:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{door.port}")
        yield door


def places(storage: str) -> set[str]:
    return {each.location.address.removeprefix(f"{storage}/") for each in location_of(storage).files()}


def test_another_machine_answers_for_all_that_was_asked_before(store: ObjectStorage, tmp_path: Path) -> None:
    storage = f"{store.new_bucket()}/sensorium"
    lasting = {"storage": storage, "database": f"sqlite:///{tmp_path}/jobs.sqlite", "preload": False}
    with watched_server(tmp_path, **lasting) as server:
        cat, coffee = server.upload(CAT), server.upload(COFFEE)
        spoken = server.ended(server.submit("speak", text="Good morning."))
        (artifact,) = spoken["artifacts"]
        address = f"{JOBS}/{spoken['id']}/artifacts/{artifact['name']}"
        sound = server.http.get(address).content
        indexed = server.ended(server.submit("index", files=[cat, coffee]))
        assert indexed["result"]["added"] == 2, indexed
        form = {"files": {"file": ("cat.png", CAT.read_bytes())}, "data": {"purpose": "vision"}}
        file = server.http.post("/v1/files", **form).json()["id"]
        gone = server.upload(CAT).removeprefix("upload:")
        assert server.http.delete(f"{UPLOADS}/{gone}").status_code == 204
    kept = places(storage)
    assert {f"uploads/{each.removeprefix('upload:')}" for each in (cat, coffee)} < kept
    assert f"jobs/{spoken['id']}/artifacts/{artifact['name']}" in kept
    assert not [place for place in kept if gone in place or place.startswith("passing")]
    shutil.rmtree(tmp_path / "data")
    with watched_server(tmp_path, **lasting) as server:
        assert server.http.get(address).content == sound
        assert server.http.get(f"/v1/files/{file}/content").content == CAT.read_bytes()
        assert server.ask("classify", image=cat, labels=["cat", "dog"]).status_code == 200
        found = server.ask("search", text="a cup of coffee").json()["result"]["matches"]
        assert [match["media"] for match in found][:1] == [coffee]
        assert server.http.delete(f"{UPLOADS}/{coffee.removeprefix('upload:')}").status_code == 204
        found = server.ask("search", text="a cup of coffee").json()["result"]["matches"]
        assert [match["media"] for match in found] == [cat], "what was deleted is found nowhere"
        again = server.ended(server.submit("index", files=[server.upload(CAT)]))["result"]
        assert (again["added"], again["files"]) == (0, 1), "the same photo is known by what the store has of it"
    assert not [place for place in places(storage) if coffee.removeprefix("upload:") in place]


def assert_says_that_the_store_is_away(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert "object store" in answer.json()["error"]["message"]
    assert answer.json()["error"]["sensorium"]["type"] == "StorageError"


def test_a_store_that_is_away_loses_nothing_and_holds_up_nobody(
    store: ObjectStorage, door: Forwarder, tmp_path: Path
) -> None:
    storage = store.new_bucket()
    with watched_server(tmp_path, storage=storage, preload=False) as server:
        cat = server.upload(CAT)
        assert server.health()["storage"] == "ok"
        door.shut()
        job = server.submit("speak", text="Good morning.")
        until(lambda: "object store" in server.health()["storage"])
        assert server.health()["status"] == "degraded"
        assert_says_that_the_store_is_away(server.http.post(UPLOADS, content=CAT.read_bytes()))
        assert server.ask("classify", image=cat, labels=["cat", "dog"]).status_code == 200, "it is on this machine"
        assert server.job(job)["state"] in ("queued", "running"), "it isn't done before its file is kept"
        door.open()
        spoken = server.ended(job)
        assert spoken["state"] == "done", spoken
        until(lambda: server.health()["status"] == "ok")
        server.upload(COFFEE)
    (artifact,) = spoken["artifacts"]
    assert f"jobs/{job}/artifacts/{artifact['name']}" in places(storage)


def test_a_bucket_that_is_not_there_is_told_at_the_start(store: ObjectStorage, tmp_path: Path) -> None:
    command = [*SENSORIUM, "serve", "--port", "0", "--data", tmp_path, "--storage", "s3://no-such-bucket"]
    with running(command, stderr=subprocess.PIPE, text=True) as server:
        told = server.communicate(timeout=120)[1]
    assert (server.returncode, "no-such-bucket" in told) == (2, True), told
