"""Who may ask at all, and what everybody is told in the same form."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx2
import pytest

from sensorium.errors import SensoriumError
from sensorium.operations.registry import all_operations
from tests.server.conftest import scripted_server
from tests.server.scripted_server import ERRORS

FIND = "/v1/sensorium/find-moment"
FULL_HEALTH = "/v1/sensorium/health"


def error_of(answer: httpx2.Response) -> SensoriumError:
    """Return the error of an answer, which must have OpenAI's form and the server's id of the request."""
    told = answer.json()["error"]
    assert set(told) == {"message", "type", "param", "code", "sensorium"}
    assert answer.headers["x-request-id"]
    error = SensoriumError.from_dict(told["sensorium"])
    assert told["message"] == str(error)
    return error


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8756", "127.0.0.1.evil.example", "10.0.0.1", "[", ""])
def test_a_foreign_host_is_refused(http: httpx2.Client, host: str) -> None:
    answer = http.get("/health", headers={"host": host})
    assert answer.status_code in (400, 421)
    if host:
        assert host in str(error_of(answer))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8756", "127.8.8.8"])
def test_this_machines_own_names_are_let_in(http: httpx2.Client, host: str) -> None:
    assert http.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["])
def test_pages_from_elsewhere_are_refused(http: httpx2.Client, origin: str) -> None:
    answer = http.post("/v1/sensorium/queue/pause", headers={"origin": origin})
    assert answer.status_code == 403
    assert origin in str(error_of(answer))
    assert "access-control-allow-origin" not in answer.headers


def test_its_own_pages_are_let_in(http: httpx2.Client, address: str) -> None:
    assert http.get("/health", headers={"origin": address}).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/nothing", FIND])
def test_the_head_alone_is_that_of_get(http: httpx2.Client, path: str) -> None:
    head, whole = http.head(path), http.get(path)
    assert head.content == b""
    for what in ("content-length", "content-type"):
        assert head.headers[what] == whole.headers[what]
    assert head.status_code == whole.status_code
    assert http.get("/health").text == "OK", "the connection is as good as before"


def test_every_answer_has_an_id_and_is_not_guessed_at(http: httpx2.Client) -> None:
    for answer in (http.get("/health"), http.get("/nothing"), http.post(FIND, json={})):
        assert re.fullmatch(r"req-\w{24}", answer.headers["x-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.get("/health", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/health", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


@pytest.mark.parametrize(
    ("method", "path", "status", "named"),
    [
        ("GET", "/nothing", 404, "/nothing"),
        ("GET", "/v1/sensorium/jobs/nothing", 404, "nothing"),
        ("GET", "/v1/sensorium/uploads/nothing", 404, "nothing"),
        ("GET", "/v1/sensorium/operations/nothing", 404, "nothing"),
        ("DELETE", FIND, 405, "POST"),
        ("GET", "/v1/sensorium/jobs?limit=many", 400, "limit"),
        ("GET", "/v1/sensorium/jobs?state=odd", 400, "state"),
        ("GET", "/v1/sensorium/jobs?limit=0", 400, "limit"),
    ],
)
def test_errors_have_one_form(http: httpx2.Client, method: str, path: str, status: int, named: str) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status
    assert named in str(error_of(answer))
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{bad", {"content-type": "application/json"}),
        (b"[1]", {"content-type": "application/json"}),
        (b"", {"content-type": "application/json"}),
        (b'{"film": "upload:1", "text": "x"}', {}),
        (b'{"film": "upload:1", "text": "x"}', {"content-type": "text/plain"}),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(http: httpx2.Client, content: bytes, headers: dict[str, str]) -> None:
    answer = http.post(FIND, content=content, headers=headers)
    assert answer.status_code == 400
    assert "JSON" in str(error_of(answer))


@pytest.mark.parametrize(
    ("name", "status", "again"),
    [
        ("InputError", 400, False),
        ("NotFoundError", 404, False),
        ("BusyError", 429, True),
        ("WorkerLostError", 500, False),
        ("InsufficientMemoryError", 503, False),
        ("StorageError", 503, True),
    ],
)
def test_errors_of_the_engine_come_with_their_status(http: httpx2.Client, name: str, status: int, again: bool) -> None:
    for query in ({}, {"stream": "true"}, {"background": "true"}):
        answer = http.post(FIND, json={"film": "upload:1", "text": name}, params=query)
        error = error_of(answer)
        assert (answer.status_code, type(error), str(error)) == (status, type(ERRORS[name]), str(ERRORS[name]))
        assert ("retry-after" in answer.headers) is again
        assert ("x-should-retry" not in answer.headers) is again
    if name == "BusyError":
        assert answer.headers["retry-after"] == "7"


def test_a_mistake_tells_nothing_of_the_inside(http: httpx2.Client) -> None:
    answer = http.post(FIND, json={"film": "upload:1", "text": "crash"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    error_of(answer)


def test_every_operation_is_there_and_refuses_in_the_same_words(http: httpx2.Client) -> None:
    listed = {each["name"]: each for each in http.get("/v1/sensorium/operations").json()["operations"]}
    paths = http.get("/openapi.json").json()["paths"]
    assert set(listed) == set(all_operations())
    for name, operation in all_operations().items():
        assert http.get(f"/v1/sensorium/operations/{name}").json() == listed[name]
        assert listed[name]["fields"]["properties"]
        assert paths[f"/v1/sensorium/{name}"]["post"]["requestBody"]
        for fields in ({}, {"no_such_field": 1}):
            with pytest.raises(SensoriumError) as here:
                operation.of(fields)
            answer = http.post(f"/v1/sensorium/{name}", json=fields)
            assert answer.status_code == 400
            assert str(error_of(answer)) == str(here.value)


def test_health_and_metrics(http: httpx2.Client) -> None:
    live = http.get("/health")
    assert (live.text, live.headers["content-type"]) == ("OK", "text/plain; charset=utf-8")
    assert http.get(FULL_HEALTH).json()["status"] == "ok"
    for probed in ("/readyz", "/v1/readyz"):  # there, programs would take it for another server
        assert http.get(probed).status_code == 404
    http.post("/v1/sensorium/queue/pause").raise_for_status()
    live = http.get("/health")
    assert (live.status_code, live.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert FULL_HEALTH in live.text
    answer = http.get(FULL_HEALTH)
    assert (answer.status_code, answer.json()["status"], answer.json()["paused"]) == (503, "degraded", True)
    http.post("/v1/sensorium/queue/resume").raise_for_status()
    assert http.get("/health").status_code == 200
    metrics = http.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "# TYPE sensorium_queue_length gauge" in metrics.text


def test_more_requests_than_allowed_are_told_to_come_again(tmp_path: Path) -> None:
    with (
        scripted_server(tmp_path, requests=1) as (address, _),
        httpx2.Client(base_url=address, trust_env=False) as http,
        http.stream("POST", FIND, params={"stream": "true"}, json={"film": "upload:1", "text": "wait"}) as waiting,
    ):
        assert waiting.status_code == 200
        answer = http.get("/v1/sensorium/jobs")
        assert answer.status_code == 429
        assert "retry-after" in answer.headers
        error_of(answer)
        assert http.get("/health").status_code == 200


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(tmp_path: Path, sent: signal.Signals) -> None:
    with scripted_server(tmp_path) as (address, process):
        with httpx2.Client(base_url=address, trust_env=False) as http:
            http.get("/health").raise_for_status()
            process.send_signal(sent)
            assert process.wait(60) == 0
        assert (tmp_path / "closed").exists()
        assert process.stderr is not None
        assert process.stderr.read() == ""
