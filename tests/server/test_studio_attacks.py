"""What strangers and owners of keys try with the page's routes: files of the machine, addresses elsewhere, frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sensorium.server.studio_routes import is_needed
from tests.server.conftest import served

ANN = "sk-ann-0123456789abcdefghij"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its things, and a file that is nobody's business."""
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "secret.mp3").write_bytes(b"ID3 a secret")
    return folder


@pytest.fixture(scope="module")
def http(place: Path) -> Iterator[httpx2.Client]:
    """A client with a key, of a server with the page."""
    keys = place / "keys.toml"
    keys.write_text(f'[ann]\nkey = "{ANN}"\n')
    with (
        served(place / "data", "--keys", str(keys), "--no-preload") as (address, _),
        httpx2.Client(
            base_url=address, trust_env=False, timeout=120, headers={"authorization": f"Bearer {ANN}"}
        ) as client,
    ):
        assert client.get("/studio/en/").status_code == 200
        yield client


def events(http: httpx2.Client) -> list[dict[str, Any]]:
    """Return the page's events, as it tells them to a browser."""
    found: list[dict[str, Any]] = http.get("/studio/en/config").json()["dependencies"]
    return found


@pytest.mark.parametrize("kind", ["outside", "keys", "database", "dots", "address"])
def test_no_event_takes_a_file_that_was_not_put_on_the_page(http: httpx2.Client, place: Path, kind: str) -> None:
    paths = {
        "outside": str(place / "secret.mp3"),
        "keys": str(place / "keys.toml"),
        "database": str(place / "data" / "jobs.sqlite"),
        "dots": f"{place}/data/front-ends/studio/../../../secret.mp3",
        "address": "https://example.org/secret.mp3",
    }
    file = {"path": paths[kind], "orig_name": "x.mp3", "meta": {"_type": "gradio.FileData"}}
    tried = 0
    for event in events(http):
        for position in range(len(event["inputs"])):
            data: list[Any] = [None] * len(event["inputs"])
            data[position] = file
            sent = {"fn_index": event["id"], "session_hash": "s", "data": data}
            answer = http.post("/studio/en/gradio_api/run/predict", json=sent)
            tried += 1
            assert "secret" not in answer.text.replace(json.dumps(paths[kind])[1:-1], ""), event
            assert "gradio_api/file=" not in answer.text, event
    assert tried > 50
    copies = [path for path in (place / "data" / "front-ends").rglob("*") if path.is_file()]
    assert [path for path in copies if b"secret" in path.read_bytes() or path.suffix in (".toml", ".sqlite")] == []


@pytest.mark.parametrize(
    "file",
    [
        "https://example.org/x.png",
        "HTTP://example.org/x.png",
        "https%3A//example.org/x.png",
        "https%253A%252F%252Fexample.org/x.png",
        "//example.org/x.png",
        "%09https://example.org/x.png",
        "file:///etc/passwd",
        "ftp://example.org/x.png",
    ],
)
@pytest.mark.parametrize("form", ["file=", "file/"])
def test_nothing_is_fetched_from_elsewhere(http: httpx2.Client, form: str, file: str) -> None:
    assert http.get(f"/studio/en/gradio_api/{form}{file}").status_code == 404


@pytest.mark.parametrize("file", ["/etc/passwd", "keys.toml", "../../jobs.sqlite", "jobs.sqlite"])
def test_no_file_of_the_machine_is_served(http: httpx2.Client, place: Path, file: str) -> None:
    path = file if file.startswith("/") else f"{place}/data/front-ends/studio/{file}"
    assert http.get(f"/studio/en/gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "gradio_api/proxy=https://example.org"),
        ("GET", "gradio_api/stream/a/b/c/playlist.m3u8"),
        ("GET", "gradio_api/queue/data"),
        ("POST", "gradio_api/queue/join"),
        ("POST", "gradio_api/call/predict"),
        ("POST", "gradio_api/process_recording"),
        ("GET", "gradio_api/deep_link"),
        ("GET", "gradio_api/dev/reload"),
        ("GET", "gradio_api/info"),
        ("GET", "monitoring"),
        ("POST", "gradio_api/vibe-edit/"),
        ("DELETE", "gradio_api/run/predict"),
        ("GET", "../keys.toml"),
    ],
)
def test_what_the_page_does_not_need_is_closed(http: httpx2.Client, method: str, route: str) -> None:
    assert not is_needed(method, route)
    answer = http.request(method, f"/studio/en/{route}")
    assert answer.status_code in (404, 405)
    assert "Traceback" not in answer.text


def test_no_other_page_frames_it_and_no_file_runs_a_script(http: httpx2.Client) -> None:
    assert http.get("/studio/en/").headers["content-security-policy"] == "frame-ancestors 'self'"
    sent = http.post("/studio/en/gradio_api/upload", files={"files": ("x.svg", b"<svg onload='alert(1)'/>")})
    (path,) = sent.raise_for_status().json()
    shown = http.get(f"/studio/en/gradio_api/file={path}")
    assert shown.status_code == 200
    assert "sandbox" in shown.headers["content-security-policy"]


def test_a_foreign_name_of_the_server_is_not_written_into_the_page(http: httpx2.Client) -> None:
    assert "evil.example" not in http.get("/studio/en/", headers={"x-forwarded-host": "evil.example"}).text
