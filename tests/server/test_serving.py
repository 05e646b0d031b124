"""``sensorium serve`` with the real engine and starter models, asked by clients that speak nothing but HTTP."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sensorium.errors import InputError, UnsupportedError
from tests import real_media
from tests.server.conftest import served
from tests.server.test_gate import error_of
from tests.server.test_jobs import told
from tests.server.test_slow_clients import connection, request

ROOT = "/v1/sensorium"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server."""
    with served(tmp_path_factory.mktemp("data")) as (address, _):
        yield address


@pytest.fixture
def cat(http: httpx2.Client) -> str:
    """A reference to an uploaded photograph of a cat."""
    return uploaded(http, real_media.photo("chelsea"))


def uploaded(http: httpx2.Client, file: Path) -> str:
    answer = http.post(f"{ROOT}/uploads", params={"name": file.name}, content=file.read_bytes())
    return f"upload:{answer.raise_for_status().json()['id']}"


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is so; return it."""
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_it_answers_with_the_result_and_the_model_that_made_it(http: httpx2.Client, cat: str) -> None:
    answer = http.post(f"{ROOT}/classify", json={"image": cat, "labels": ["cat", "dog"]}).raise_for_status().json()
    assert answer["result"]["labels"][0]["label"] == "cat"
    assert answer["model"]
    assert answer["artifacts"] == []


def test_media_come_as_data_too_but_never_from_this_machine(http: httpx2.Client) -> None:
    photo = real_media.photo("chelsea")
    data = f"data:image/png;base64,{base64.b64encode(photo.read_bytes()).decode()}"
    for way in ("stream", "background"):
        answer = http.post(f"{ROOT}/classify", params={way: "true"}, json={"image": data, "labels": ["cat", "dog"]})
        assert answer.is_success
    for image in (str(photo), "file:///etc/passwd", "-", "http://127.0.0.1:1/cat.png", "https://example.org/cat.png"):
        answer = http.post(f"{ROOT}/caption", json={"image": image})
        assert (answer.status_code, type(error_of(answer))) == (400, InputError)
    assert http.post(f"{ROOT}/caption", json={"image": "upload:nothing"}).status_code == 404


def test_models_are_named_by_the_catalog_or_the_hub_only(http: httpx2.Client, cat: str, tmp_path: Path) -> None:
    for model, kind in ((str(tmp_path), InputError), ("openai:gpt@http://127.0.0.1:1/v1", UnsupportedError)):
        answer = http.post(f"{ROOT}/caption", json={"image": cat, "model": model})
        assert answer.status_code == 400
        assert type(error_of(answer)) is kind
    assert http.post(f"{ROOT}/caption", json={"image": cat, "model": "no/such"}).status_code == 404


def test_the_pieces_of_a_text_come_as_they_are_written(http: httpx2.Client, cat: str) -> None:
    content = [{"type": "image", "image": cat}, {"type": "text", "text": "What animal is it?"}]
    fields = {"messages": [{"role": "user", "content": content}]}
    with http.stream("POST", f"{ROOT}/chat", params={"stream": "true"}, json=fields) as answer:
        events = [document for _, document in told(answer)]
    assert events[-1]["type"] == "ended"
    assert events[-1]["job"]["state"] == "done"
    text = "".join(event["text"] for event in events if event["type"] == "piece")
    assert text == events[-1]["job"]["result"]["text"]
    assert "cat" in text


def test_a_job_in_the_background_can_be_listened_to_from_anywhere_in_it(http: httpx2.Client, cat: str) -> None:
    fields = {"image": cat, "question": "What animal is it?"}
    job = http.post(f"{ROOT}/ask", params={"background": "true"}, json=fields).raise_for_status().json()["id"]
    where = f"{ROOT}/jobs/{job}/events"
    with http.stream("GET", where) as answer:
        whole = list(told(answer))
    middle = whole[len(whole) // 2][0]
    with http.stream("GET", where, headers={"last-event-id": middle}) as answer:
        rest = list(told(answer))
    assert [int(number) for number, _ in rest] == sorted(int(number) for number, _ in rest)
    assert all(int(number) > int(middle) for number, _ in rest)
    assert rest[-1] == whole[-1]
    shown = http.get(f"{ROOT}/jobs/{job}").json()
    assert shown["state"] == "done"
    assert "cat" in shown["result"]["text"]
    assert job in [each["id"] for each in http.get(f"{ROOT}/jobs").json()["jobs"]]


def test_a_client_that_goes_cancels_its_job_also_while_it_waits_in_the_queue(
    address: str, http: httpx2.Client, cat: str
) -> None:
    http.post(f"{ROOT}/queue/pause").raise_for_status()
    try:
        for way in ("", "?stream=true"):
            with connection(address) as vanishing:
                vanishing.sendall(request(f"{ROOT}/find-moment{way}", "a cat").replace(b"upload:1", cat[:8].encode()))
                assert vanishing.recv(12) == b"HTTP/1.1 404"
            body = json.dumps({"image": cat}).encode()
            head = f"POST {ROOT}/caption{way} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            with connection(address) as vanishing:
                vanishing.sendall(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
                until(lambda: http.get(f"{ROOT}/health").json()["queued"] == 1)
            until(lambda: http.get(f"{ROOT}/health").json()["queued"] == 0)
    finally:
        http.post(f"{ROOT}/queue/resume").raise_for_status()


def test_models_are_loaded_pinned_and_unloaded(http: httpx2.Client) -> None:
    state = http.post(f"{ROOT}/models/load", json={"operation": "classify"}).raise_for_status().json()
    assert state["memory"] > 0
    name = state["name"]
    assert name in [each["name"] for each in http.get(f"{ROOT}/models").json()["loaded"]]
    assert http.post(f"{ROOT}/models/pin", json={"model": name}).json()["pinned"] is True
    assert http.post(f"{ROOT}/models/pin", json={"model": name, "pinned": False}).json()["pinned"] is False
    health = http.get(f"{ROOT}/health").json()
    assert [each["alive"] for each in health["workers"]] == [True]
    assert http.post(f"{ROOT}/models/unload", json={"model": name}).status_code == 204
    assert http.get(f"{ROOT}/models").json()["loaded"] == []
    assert http.post(f"{ROOT}/models/unload", json={"model": name}).status_code == 404


def test_what_happened_is_counted(http: httpx2.Client, cat: str) -> None:
    http.post(f"{ROOT}/caption", json={"image": cat}).raise_for_status()
    for start in (
        "sensorium_jobs_total{",
        "sensorium_loads_total{",
        "sensorium_memory_bytes{",
        'sensorium_running_seconds_count{model="starter",operation="caption"}',
    ):
        until(lambda start=start: counted(http, start))


def counted(http: httpx2.Client, start: str) -> list[str]:
    """Return the lines of the metrics that begin like this and aren't zero."""
    lines = http.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith(start) and not line.endswith(" 0.0")]


def test_queued_jobs_are_there_after_a_restart_and_a_full_queue_is_told(tmp_path: Path) -> None:
    fields = {"texts": ["a cat"]}
    options = ("--queue", "1", "--no-preload")
    with served(tmp_path, *options) as (address, process), httpx2.Client(base_url=address, trust_env=False) as http:
        http.post(f"{ROOT}/queue/pause").raise_for_status()
        job = http.post(f"{ROOT}/embed", params={"background": "true"}, json=fields).raise_for_status().json()["id"]
        full = http.post(f"{ROOT}/embed", params={"background": "true"}, json=fields)
        assert full.status_code == 429
        assert int(full.headers["retry-after"]) >= 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with served(tmp_path, *options) as (address, _), httpx2.Client(base_url=address, trust_env=False) as http:
        assert http.get(f"{ROOT}/jobs/{job}").json()["state"] == "queued"
        http.post(f"{ROOT}/queue/resume").raise_for_status()
        until(lambda: http.get(f"{ROOT}/jobs/{job}").json()["state"] == "done")
