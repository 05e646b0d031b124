"""Operations as requests, streams and jobs, and what is left of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2

FIND = "/v1/sensorium/find-moment"
JOBS = "/v1/sensorium/jobs"


def asking(script: str) -> dict[str, Any]:
    return {"film": "upload:1", "text": script}


def told(answer: httpx2.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield id and document of each event of an answer."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    for event in httpx2.EventSource(answer):
        document = json.loads(event.data)
        assert event.event == document["type"]
        yield event.id, document


def background(http: httpx2.Client, script: str) -> str:
    """Submit a job; return its id."""
    answer = http.post(FIND, params={"background": "true"}, json=asking(script))
    assert answer.status_code == 202
    job = answer.json()["id"]
    assert answer.headers["location"] == f"{JOBS}/{job}"
    return str(job)


def test_a_request_waits_for_its_result(http: httpx2.Client) -> None:
    answer = http.post(FIND, json=asking("hello"))
    assert answer.status_code == 200
    assert answer.json() == {
        "result": {"text": "hello", "moments": [], "model": "scripted"},
        "artifacts": [],
        "model": "scripted",
        "job": answer.json()["job"],
    }


def test_a_stream_tells_all_events_to_the_end(http: httpx2.Client) -> None:
    with http.stream("POST", FIND, params={"stream": "true"}, json=asking("steps")) as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        events = list(told(answer))
    assert [number for number, _ in events] == ["1", "2", "3", "4", "5", "6"]
    assert [each["type"] for _, each in events] == ["state", *["progress"] * 3, "artifact", "ended"]
    assert events[-1][1]["job"]["state"] == "done"


def test_events_are_taken_up_again_after_any_of_them(http: httpx2.Client) -> None:
    job = background(http, "steps")
    where = f"{JOBS}/{job}/events"
    for options in ({"headers": {"last-event-id": "4"}}, {"params": {"after": "4"}}):
        with http.stream("GET", where, **options) as answer:  # type: ignore[arg-type]
            assert [number for number, _ in told(answer)] == ["5", "6"]
    refused = http.get(where, headers={"last-event-id": "four"})
    assert refused.status_code == 400
    assert http.get(f"{JOBS}/nothing/events").status_code == 404


def test_jobs_are_listed_shown_and_cancelled(http: httpx2.Client) -> None:
    job = background(http, "wait")
    assert http.get(f"{JOBS}/{job}").json()["state"] == "running"
    assert job in [each["id"] for each in http.get(JOBS, params={"state": "running"}).json()["jobs"]]
    assert len(http.get(JOBS, params={"limit": 1}).json()["jobs"]) == 1
    assert http.post(f"{JOBS}/{job}/move", json={"position": 0}).status_code == 400
    assert http.post(f"{JOBS}/{job}/move", json={"position": -1}).status_code == 400
    with http.stream("GET", f"{JOBS}/{job}/events") as answer:
        events = told(answer)
        assert next(events)[1]["type"] == "state"
        assert http.post(f"{JOBS}/{job}/cancel").json()["state"] == "cancelled"
        assert next(events)[1]["job"]["state"] == "cancelled"
    assert http.post(f"{JOBS}/{job}/cancel").json()["state"] == "cancelled"


def test_artifacts_are_sent_whole_and_in_parts(http: httpx2.Client) -> None:
    job = background(http, "steps")
    where = f"{JOBS}/{job}/artifacts/picture-1.png"
    whole = http.get(where)
    assert whole.content == bytes(range(256))
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["content-disposition"] == 'attachment; filename="picture-1.png"'
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = http.get(where, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    for name in ("nothing.png", "..%2Fjob-1.png", "%2Fetc%2Fpasswd"):
        assert http.get(f"{JOBS}/{job}/artifacts/{name}").status_code == 404


def test_uploads_come_and_go(http: httpx2.Client) -> None:
    answer = http.post("/v1/sensorium/uploads", params={"name": "film.mp4"}, content=b"a film")
    assert answer.status_code == 201
    upload = answer.json()
    assert (upload["name"], upload["size"]) == ("film.mp4", 6)
    assert http.get(f"/v1/sensorium/uploads/{upload['id']}").json() == upload
    assert http.delete(f"/v1/sensorium/uploads/{upload['id']}").status_code == 204
    assert http.get(f"/v1/sensorium/uploads/{upload['id']}").status_code == 404
    form = http.post("/v1/sensorium/uploads", files={"file": b"a film"})
    assert form.status_code == 415


def test_only_names_of_checkpoints_are_fetched_and_unknown_fields_are_refused(http: httpx2.Client) -> None:
    for name in ("/etc", "../../etc", ".", "openai:gpt@http://127.0.0.1:1", "https://evil.example/x", "~/x", ""):
        answer = http.post("/v1/sensorium/models/pull", json={"model": name})
        assert answer.status_code == 400, name
    assert http.post("/v1/sensorium/models/pull", json={"model": "x", "trust": True}).status_code == 400
    assert http.post("/v1/sensorium/models/load", json={"operation": "nothing"}).status_code == 400


def test_what_is_here_already_is_fetched_at_once(http: httpx2.Client) -> None:
    listed = {each["name"]: each for each in http.get("/v1/sensorium/models").json()["catalog"]}
    assert "whisper-base" in listed
    present = next(name for name, each in listed.items() if each["present"])
    with http.stream("POST", "/v1/sensorium/models/pull", json={"model": present}) as answer:
        assert present in list(told(answer))[-1][1]["models"]
