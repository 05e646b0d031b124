"""Messages with real media, and what a server does meanwhile."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from tests import real_media

LONG = "Write a very long story about a cat that travels around the world, with every town that it comes to."


def data_uri(path: Path, media_type: str) -> str:
    """Return a file as a data: URI."""
    return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode()}"


def photo(name: str) -> str:
    """Return a photograph as a data: URI."""
    return data_uri(real_media.photo(name), "image/png")


def picture(name: str) -> dict[str, Any]:
    """Return a photograph as a part of a message."""
    return {"type": "image_url", "image_url": {"url": photo(name), "detail": "low"}}


def words(text: str) -> dict[str, Any]:
    """Return words as a part of a message."""
    return {"type": "text", "text": text}


def user(*parts: Any) -> dict[str, Any]:
    """Return a message of the user."""
    return {"role": "user", "content": [words(part) if isinstance(part, str) else part for part in parts]}


def assistant(text: str) -> dict[str, Any]:
    """Return a message of the assistant."""
    return {"role": "assistant", "content": text}


def events(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Return the documents of a stream, without the last ``[DONE]``."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(event.data) for event in httpx2.EventSource(answer) if event.data != "[DONE]"]


def upload(raw: httpx2.Client, path: Path) -> str:
    """Send a file; return the reference to it."""
    answer = raw.post("/v1/sensorium/uploads", params={"name": path.name}, content=path.read_bytes())
    return f"upload:{answer.json()['id']}"


def jobs_at_work(raw: httpx2.Client) -> list[str]:
    """Return the jobs on which models work."""
    return [job for model in raw.get("/v1/sensorium/models").json()["loaded"] for job in model["running"]]


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < 60, "it never became so"
        time.sleep(0.02)


def wait_until_idle(raw: httpx2.Client) -> None:
    """Wait until no model works."""
    wait_until(lambda: not jobs_at_work(raw))
