"""Whatever /openapi.json allows, and much that it doesn't, is asked: nothing fails, nothing surprises."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.processes import running
from tests.real_media import speech_clips
from tests.server.conftest import served
from tests.server.questioning import Questioner

_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElFTkSuQmCC"
)

TAKES_LONG = [
    *(f"POST /v1/sensorium/{name}" for name in ("imagine", "edit", "control", "vary", "paint-again", "models/pull")),
    *(f"POST /v1/images/{name}" for name in ("generations", "edits", "variations")),
    "POST /v1/sensorium/queue/pause",
]


@pytest.fixture
def instant_server(tmp_path: Path) -> Iterator[str]:
    """A server whose engine ends each job at once."""
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-m", "tests.server.instant_server", str(tmp_path / "data")]
        root = Path(__file__).parents[2]
        with running(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=root) as process:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
    assert "Traceback" not in (tmp_path / "log").read_text(errors="replace")


def first_file(http: httpx2.Client, job: str) -> str:
    """Return the name of the first file of a job, once it has ended."""
    http.get(f"/v1/sensorium/jobs/{job}/events").raise_for_status()
    name: str = http.get(f"/v1/sensorium/jobs/{job}").json()["artifacts"][0]["name"]
    return name


def things(address: str) -> Mapping[str, str]:
    """Let a server have one thing of each kind; return their ids by the names of path parameters."""
    requests = [{"custom_id": "1", "method": "POST", "url": "/v1/embeddings", "body": {"input": "x"}}]
    lines = "\n".join(map(json.dumps, requests)).encode()
    speech = speech_clips("en")[0].path.read_bytes()
    with httpx2.Client(base_url=address, trust_env=False, timeout=60) as http:

        def made(path: str, **options: Any) -> dict[str, Any]:
            answer = http.post(path, **options)
            assert answer.is_success, answer.text
            found: dict[str, Any] = answer.json()
            return found

        job = made("/v1/sensorium/speak", params={"background": "true"}, json={"text": "x"})["id"]
        file = made("/v1/files", data={"purpose": "batch"}, files={"file": ("x.jsonl", lines)})["id"]
        batch = {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}
        consent = made(
            "/v1/audio/voice_consents", data={"name": "x", "language": "en"}, files={"recording": ("x.wav", speech)}
        )["id"]
        return {
            "job": job,
            "name": first_file(http, job),
            "upload": made("/v1/sensorium/uploads", content=_PIXEL)["id"],
            "file": file,
            "batch": made("/v1/batches", json=batch)["id"],
            "response": made("/v1/responses", json={"input": "x", "background": True})["id"],
            "consent": consent,
            "model": "whisper-1",
        }


def right_bodies(known: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """Return fields that are right, by the paths of endpoints that hardly ever get such by chance."""
    message = {"role": "user", "content": "x"}
    return {
        "/v1/chat/completions": {"messages": [message]},
        "/v1/responses": {"input": [message]},
        "/v1/embeddings": {"input": ["x", "y"]},
        "/v1/moderations": {"input": [{"type": "image_url", "image_url": {"url": "data:,x"}}]},
        "/v1/images/generations": {"prompt": "x"},
        "/v1/images/edits": {"prompt": "x"},
        "/v1/audio/speech": {"input": "x"},
        "/v1/audio/voice_consents": {"name": "x", "language": "en"},
        "/v1/audio/voices": {"name": "x", "consent": known["consent"]},
        "/v1/files": {"purpose": "vision"},
        "/v1/batches": {"input_file_id": known["file"], "endpoint": "/v1/embeddings", "completion_window": "24h"},
        "/v1/sensorium/models/load": {"operation": "embed"},
    }


def test_whatever_is_asked_is_answered_as_described(instant_server: str, measured: Callable[[str], None]) -> None:
    known = things(instant_server)
    questioner = Questioner(instant_server, known, right_bodies(known), [f"upload:{known['upload']}"])
    questioner.ask_all(made=60, drawn=20)
    measured(f"whatever /openapi.json allows, of a server whose work is done at once: {questioner.answers}")
    assert sum(questioner.answers.statuses.values()) >= 2000
    assert not questioner.answers.failures, "\n\n".join(questioner.answers.failures.values())


def test_so_it_is_where_models_work(tmp_path: Path, measured: Callable[[str], None]) -> None:
    with served(tmp_path, "--profile", "starter") as (address, _):
        known = things(address)
        questioner = Questioner(address, known, right_bodies(known), [f"upload:{known['upload']}"])
        questioner.ask_all(made=4, drawn=4, leave_out=TAKES_LONG)
    measured(f"the same, of 'sensorium serve' on the starter: {questioner.answers}")
    assert not questioner.answers.failures, "\n\n".join(questioner.answers.failures.values())
