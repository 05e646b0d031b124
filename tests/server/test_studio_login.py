"""The page behind keys: how a browser shows one, what that opens, and that it opens nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.server.conftest import served
from tests.server.test_keys import ANNA, BEN

PAGE = {"accept": "text/html"}
LOGIN = "/studio/login"
BELOW = (
    ("GET", "/studio/en/config"),
    ("GET", "/studio/en/gradio_api/info"),
    ("GET", "/studio/en/gradio_api/file=/etc/passwd"),
    ("POST", "/studio/en/gradio_api/upload"),
    ("POST", "/studio/en/gradio_api/queue/join"),
    ("GET", "/studio/en/gradio_api/queue/data?session_hash=none"),
    ("POST", "/studio/en/gradio_api/run/predict"),
    ("POST", "/studio/en/gradio_api/call/x"),
    ("GET", "/studio/en/theme.css"),
    ("GET", "/studio/zh/config"),
    ("GET", "/studio/nothing"),
)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that asks for keys."""
    folder = tmp_path_factory.mktemp("login")
    keys = folder / "keys.toml"
    keys.write_text(f'[anna]\nkey = "{ANNA}"\n[ben]\nkey = "{BEN}"\n')
    with served(folder / "data", "--keys", str(keys)) as (address, _):
        yield address


@pytest.fixture
def http(locked: str) -> Iterator[httpx2.Client]:
    """A client without a key, which keeps no cookies by itself."""
    with httpx2.Client(base_url=locked, trust_env=False, timeout=120) as client:
        yield client


def logged_in(locked: str, key: str) -> dict[str, str]:
    """Return the headers of a browser that has shown a key."""
    answer = httpx2.post(f"{locked}{LOGIN}", data={"key": key}, trust_env=False)
    assert answer.status_code == 303
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_a_browser_is_led_to_the_question_for_the_key(http: httpx2.Client) -> None:
    for path in ("/studio", "/studio/", "/studio/en/", "/studio/zh/anything"):
        answer = http.get(path, headers=PAGE)
        assert (answer.status_code, answer.headers["location"]) == (303, LOGIN)
    asked = http.get(LOGIN, headers=PAGE)
    assert asked.status_code == 200
    assert 'type="password"' in asked.text


@pytest.mark.parametrize(("method", "path"), BELOW)
def test_nothing_below_the_page_answers_without_a_key(http: httpx2.Client, method: str, path: str) -> None:
    assert http.request(method, path).status_code == 401
    assert http.request(method, path, headers={"cookie": "sensorium-key=wrong"}).status_code == 401


def test_a_wrong_key_is_told_and_waits(http: httpx2.Client) -> None:
    answer = http.post(LOGIN, data={"key": "a-key-of-nobody<b>"})
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "a-key-of-nobody" not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.elapsed.total_seconds() >= 0.1  # the first wait, which only grows


@pytest.mark.parametrize("body", [b"", b"key=", b"\xff\xfe", b"key=" + b"a" * 5000])
def test_what_is_no_key_is_refused(http: httpx2.Client, body: bytes) -> None:
    assert http.post(LOGIN, content=body).status_code == 401


def test_the_cookie_is_the_pages_alone(http: httpx2.Client, locked: str) -> None:
    answer = http.post(LOGIN, data={"key": ANNA})
    assert answer.headers["location"] == "/studio"
    name, *marks = (part.strip().lower() for part in answer.headers["set-cookie"].split(";"))
    assert name.startswith("sensorium-key=")
    assert {"httponly", "samesite=strict", "path=/studio"} <= set(marks)
    with httpx2.Client(base_url=locked, trust_env=False, timeout=120) as browser:
        cookie = logged_in(locked, ANNA)
        for path in ("/v1/sensorium/jobs", "/v1/models", "/metrics", "/openapi.json", "/mcp", "/studios"):
            assert browser.get(path, headers=cookie).status_code == 401
        assert browser.get("/studio", headers={**cookie, **PAGE}).status_code == 307
        assert browser.get("/studio/en/config", headers=cookie).status_code == 200


def test_other_pages_cannot_use_it(http: httpx2.Client, locked: str) -> None:
    elsewhere = {**logged_in(locked, ANNA), "origin": "https://evil.example"}
    for path in (LOGIN, "/studio/en/gradio_api/queue/join", "/studio/en/gradio_api/upload"):
        assert http.post(path, headers=elsewhere).status_code == 403


def test_files_of_the_machine_are_not_shown(http: httpx2.Client, locked: str) -> None:
    anna = logged_in(locked, ANNA)
    for path in ("/etc/passwd", str(Path(__file__))):
        assert http.get(f"/studio/en/gradio_api/file={path}", headers=anna).status_code in (403, 404)
