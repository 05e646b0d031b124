"""A cluster whose jobs are in PostgreSQL, whose files are in an object store, and one model of which runs elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest

from sensorium.storage.opening import location_of
from tests import real_media
from tests.object_storage import object_storage
from tests.openai_server import OpenAIServer, serve_openai
from tests.postgresql import PostgreSQL
from tests.server.conftest import served
from tests.server.test_serving import ROOT, until

CAT = real_media.photo("chelsea")


@pytest.fixture(scope="module")
def behind() -> Iterator[OpenAIServer]:
    with serve_openai() as server:
        yield server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_storage() as storage:
        yield storage.bucket


@pytest.fixture(scope="module")
def http(
    behind: OpenAIServer, bucket: str, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("outside")
    table = {"address": behind.base_url, "model": "tiny"}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
    (folder / "sensorium.toml").write_text(f"[endpoints.qwen3]\n{lines}")
    options = ("--database", postgresql.new_database(), "--storage", bucket, "--config", str(folder / "sensorium.toml"))
    with (
        served(folder / "data", "--cluster", "--ingress-replicas", "2", "--no-preload", *options) as (address, _),
        httpx2.Client(base_url=address, trust_env=False, timeout=120) as client,
    ):
        yield client


def test_a_model_on_another_server_answers_through_the_cluster(http: httpx2.Client) -> None:
    assert "qwen3" in {model["id"] for model in http.get("/v1/models").json()["data"]}
    asked = {"model": "qwen3", "messages": [{"role": "user", "content": "Hello"}]}
    answer = http.post("/v1/chat/completions", json=asked).raise_for_status().json()
    assert answer["choices"][0]["message"]["content"] == "A cat on a mat."


def test_postgresql_is_killed_and_comes_back_while_jobs_run(
    http: httpx2.Client, bucket: str, postgresql: PostgreSQL
) -> None:
    upload = http.post(f"{ROOT}/uploads", content=CAT.read_bytes()).raise_for_status().json()["id"]
    http.post(f"{ROOT}/queue/pause").raise_for_status()
    texts = [f"This is sentence number {number}." for number in range(4)]
    jobs = [
        http.post(f"{ROOT}/speak", params={"background": "true"}, json={"text": text}).json()["id"] for text in texts
    ]
    http.post(f"{ROOT}/queue/resume").raise_for_status()
    postgresql.kill()
    try:
        ended = [
            until(lambda job=job: (now := http.get(f"{ROOT}/jobs/{job}").json())["state"] == "done" and now)
            for job in jobs
        ]
        until(lambda: "database" in http.get(f"{ROOT}/health").json()["database"])
        refused = http.post(f"{ROOT}/speak", params={"background": "true"}, json={"text": "Not now."})
        assert (refused.status_code, refused.json()["error"]["sensorium"]["type"]) == (503, "StorageError")
        fields = {"image": f"upload:{upload}", "labels": ["cat", "dog"]}
        assert http.post(f"{ROOT}/classify", json=fields).status_code == 200, "a request needs no database"
    finally:
        postgresql.start()
    until(lambda: http.get(f"{ROOT}/health").json()["status"] == "ok")
    listed = http.get(f"{ROOT}/jobs").raise_for_status().json()["jobs"]
    assert {job["id"]: job["state"] for job in listed} == dict.fromkeys(jobs, "done")
    kept = {each.location.address.removeprefix(f"{bucket}/") for each in location_of(bucket).files()}
    assert f"uploads/{upload}" in kept
    for job in ended:
        (artifact,) = job["artifacts"]
        assert f"jobs/{job['id']}/artifacts/{artifact['name']}" in kept
        sound = http.get(f"{ROOT}/jobs/{job['id']}/artifacts/{artifact['name']}").raise_for_status().content
        assert len(sound) == artifact["size"]
