"""Who may ask: keys, what they allow, whose things they find, and how guessing them is slowed."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sensorium.errors import AccessError, BusyError, InputError
from sensorium.server.configuration import configured
from sensorium.server.failed_attempts import FailedAttempts
from sensorium.server.keys import KeyRing, digest_of, known_keys, new_key
from tests.refusals import refused
from tests.server.conftest import scripted_server
from tests.server.test_gate import FIND, FULL_HEALTH, error_of
from tests.server.test_slow_clients import JOBS, UPLOADS

ANNA, BEN, CHIEF = (f"a-key-of-somebody-{number}" for number in range(3))
MODELS = "/v1/sensorium/models"
QUEUE = "/v1/sensorium/queue"

As = Callable[[str | None], httpx2.Client]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that asks for keys."""
    folder = tmp_path_factory.mktemp("locked")
    keys = folder / "keys.toml"
    keys.write_text(
        f'[anna]\nkey = "{ANNA}"\nconcurrency = 2\n'
        f'[ben]\nsha256 = "{digest_of(BEN).upper()}"\n'
        f'[chief]\nkey = "{CHIEF}"\nadmin = true\n'
    )
    with scripted_server(folder, keys=keys, public=["voices", "models"], requests=8) as (address, _):
        yield address


@pytest.fixture
def client(locked: str) -> Iterator[As]:
    """Gives a client with a key."""
    made: list[httpx2.Client] = []

    def client(key: str | None) -> httpx2.Client:
        headers = {"authorization": f"Bearer {key}"} if key is not None else {}
        made.append(httpx2.Client(base_url=locked, headers=headers, trust_env=False, timeout=60))
        return made[-1]

    yield client
    for each in made:
        each.close()


def job_of(http: httpx2.Client, script: str = "steps") -> str:
    answer = http.post(FIND, params={"background": "true"}, json={"film": "upload:1", "text": script})
    return str(answer.raise_for_status().json()["id"])


# What is asked for everywhere


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", JOBS),
        ("GET", MODELS),
        ("GET", "/metrics"),
        ("GET", FULL_HEALTH),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("POST", FIND),
        ("POST", UPLOADS),
        ("GET", "/nothing"),
        ("GET", "//v1/models"),
        ("GET", "/"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/x"),
        ("OPTIONS", JOBS),
        ("GET", "/v1/audio/voices/../../sensorium/jobs"),
    ],
)
def test_nothing_is_told_without_a_key(client: As, method: str, path: str) -> None:
    answer = client(None).request(method, path, content=b"{}" if method == "POST" else None)
    assert (answer.status_code, type(error_of(answer))) == (401, AccessError)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {ANNA}"},
        {"authorization": f"bearer  {ANNA}"},
        {"x-api-key": ANNA},
        {"api-key": ANNA},
        {"authorization": "Basic dXNlcg==", "x-api-key": ANNA},
    ],
)
def test_a_key_is_shown_as_programs_show_it(client: As, headers: dict[str, str]) -> None:
    assert client(None).get(JOBS, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "shown", [f"{ANNA}x", ANNA[:-1], ANNA.upper(), digest_of(ANNA), "x" * 60_000, "ключ".encode(), "anna"]
)
def test_other_keys_are_none(client: As, shown: str | bytes) -> None:
    header = b"Bearer " + (shown.encode() if isinstance(shown, str) else shown)
    answer = client(None).get(JOBS, headers={b"authorization": header})
    assert answer.status_code == 401
    assert str(shown)[:100] not in answer.text


def test_whether_it_lives_and_lists_that_were_made_public_need_none(client: As) -> None:
    stranger = client(None)
    assert stranger.get("/health").text == "OK"
    for path in ("/v1/models", "/v1/models/some/model", "/v1/audio/models", "/v1/audio/voices"):
        assert stranger.get(path).status_code != 401


def test_nothing_is_public_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_API_KEY", CHIEF)
    with scripted_server(tmp_path) as (address, process):
        with httpx2.Client(base_url=address, trust_env=False) as http:
            for path in ("/v1/models", "/v1/models/x", "/v1/audio/models", "/v1/audio/voices"):
                assert http.get(path).status_code == 401
            http.headers["authorization"] = f"Bearer {CHIEF}"
            assert http.post(f"{QUEUE}/pause").status_code == 204
        process.terminate()
        assert process.stderr is not None
        assert CHIEF not in process.stderr.read()


# Whose things are found


def test_everybody_finds_what_is_theirs_alone(client: As) -> None:
    anna, ben, chief = client(ANNA), client(BEN), client(CHIEF)
    job = job_of(anna)
    upload = anna.post(UPLOADS, content=b"a film").json()["id"]
    assert anna.get(f"{JOBS}/{job}").json()["owner"] == "anna"
    for path in (
        f"{JOBS}/{job}",
        f"{JOBS}/{job}/events",
        f"{JOBS}/{job}/artifacts/picture-1.png",
        f"{UPLOADS}/{upload}",
    ):
        assert (anna.get(path).status_code, chief.get(path).status_code, ben.get(path).status_code) == (200, 200, 404)
    assert ben.post(f"{JOBS}/{job}/cancel").status_code == 404
    assert ben.post(f"{JOBS}/{job}/move", json={"position": 0}).status_code == 404
    assert ben.delete(f"{UPLOADS}/{upload}").status_code == 404
    assert job not in [each["id"] for each in ben.get(JOBS).json()["jobs"]]
    assert job in [each["id"] for each in chief.get(JOBS).json()["jobs"]]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (f"{QUEUE}/pause", {}),
        (f"{QUEUE}/resume", {}),
        (f"{MODELS}/load", {"operation": "caption"}),
        (f"{MODELS}/unload", {"model": "x"}),
        (f"{MODELS}/pin", {"model": "x"}),
        (f"{MODELS}/pull", {"model": "x"}),
    ],
)
def test_what_concerns_everybody_is_for_administrators(client: As, path: str, fields: dict[str, Any]) -> None:
    answer = client(ANNA).post(path, json=fields)
    assert (answer.status_code, type(error_of(answer))) == (403, AccessError)
    assert client(CHIEF).post(path, json=fields).status_code != 403
    client(CHIEF).post(f"{QUEUE}/resume")


# How much


def test_a_key_has_so_many_requests_open_and_others_are_not_held_up(client: As) -> None:
    anna = client(ANNA)
    fields = {"film": "upload:1", "text": "wait"}
    with (
        anna.stream("POST", FIND, params={"stream": "true"}, json=fields),
        anna.stream("POST", FIND, params={"stream": "true"}, json=fields),
    ):
        answer = anna.get(JOBS)
        assert (answer.status_code, type(error_of(answer))) == (429, BusyError)
        assert "retry-after" in answer.headers
        assert anna.get("/metrics").status_code == 200
        assert client(BEN).get(JOBS).status_code == 200
    deadline = time.monotonic() + 30
    while anna.get(JOBS).status_code == 429:
        assert time.monotonic() < deadline


def test_a_key_has_its_share_of_the_queue(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'[anna]\nkey = "{ANNA}"\nqueue = 3\n[ben]\nkey = "{BEN}"\n')
    assert configured(None, {"keys": file}).queue_shares == {"anna": 3}


# Guessing


def test_wrong_keys_wait_longer_each_time_and_nobody_else_does() -> None:
    async def note() -> None:
        attempts = FailedAttempts()
        waits = [attempts.note("192.0.2.7") for _ in range(12)]
        assert waits == sorted(waits)
        assert (waits[0], waits[-1]) == (0.1, 4.0)
        assert attempts.note("192.0.2.8") == 0.1
        assert attempts.note("2001:db8::1") < attempts.note("2001:db8::ffff")  # one network is one client
        for number in range(10_000):
            attempts.note(f"10.{number >> 8}.{number & 255}.1")
        assert len(attempts) == 4096

    asyncio.run(note())


def test_whoever_guesses_waits_while_others_are_answered(client: As) -> None:
    wrong, right = client("a-key-of-nobody-at-all"), client(BEN)
    began = time.monotonic()
    for _ in range(4):
        assert wrong.get(JOBS).status_code == 401
    assert time.monotonic() - began > 0.3
    assert right.get(JOBS).status_code == 200


# Where keys come from


def test_a_key_is_made_once_and_only_its_digest_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    anna, ben = new_key("anna", file), new_key("ben@home", file, admin=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert anna not in file.read_text()
    ring = known_keys(file)
    found = ring.find(ben)
    assert found is not None
    assert (found.name, found.admin) == ("ben@home", True)
    assert ring.find(anna + "x") is None
    with refused(InputError, "anna"):
        new_key("anna", file)


def test_keys_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_API_KEY", CHIEF)
    monkeypatch.setenv("SENSORIUM_API_KEYS", f"anna={ANNA}, ben={BEN}")
    ring = known_keys(None)
    assert [(key.name, key.admin) for key in map(ring.find, (CHIEF, ANNA, BEN)) if key is not None] == [
        ("default", True),
        ("anna", False),
        ("ben", False),
    ]
    assert not known_keys(None).find("")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[anna]\nkey = "short"', ("anna", "16")),
        ("[anna]\nadmin = true", ("anna", "sha256")),
        ('[anna]\nsha256 = "abc"', ("anna", "64")),
        (f'[anna]\nkey = "{ANNA}"\nsha256 = "x"', ("anna",)),
        (f'[anna]\nkey = "{ANNA}"\nadmn = true', ("anna", "admn")),
        (f'[anna]\nkey = "{ANNA}"\nconcurrency = 0', ("anna", "concurrency")),
        (f'[anna]\nkey = "{ANNA}"\n[ben]\nkey = "{ANNA}"', ("ben",)),
        (f'["../anna"]\nkey = "{ANNA}"', ("../anna",)),
        (f'["-"]\nkey = "{ANNA}"', ("'-'",)),
        (f'anna = "{ANNA}"', ("anna",)),
        (f"[anna]\nkey = {ANNA}", ("TOML",)),
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_any_key(tmp_path: Path, text: str, named: tuple[str, ...]) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with refused(InputError, *named) as refusal:
        known_keys(file)
    assert ANNA not in str(refusal.value)


@pytest.mark.parametrize("value", ["anna", "=x", f"an na={ANNA}", "anna=short"])
def test_what_is_wrong_with_the_environment_too(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SENSORIUM_API_KEYS", value)
    with refused(InputError, "SENSORIUM_API_KEYS"):
        known_keys(None)


def test_without_keys_there_is_none_to_be_found() -> None:
    assert not KeyRing()
    assert KeyRing().find("anything") is None
