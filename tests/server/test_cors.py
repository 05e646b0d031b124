"""Pages and programs made of pages (Electron) that use the server: those that the user lets, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.server.conftest import scripted_server
from tests.server.test_gate import FIND, error_of
from tests.server.test_slow_clients import JOBS

OBSIDIAN = "app://obsidian.md"
KEY = "a-key-of-somebody"
ASKED = (
    "authorization,content-type,user-agent,x-stainless-arch,x-stainless-custom-poll-interval,"
    "x-stainless-helper-method,x-stainless-lang,x-stainless-os,x-stainless-package-version,x-stainless-poll-helper,"
    "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that some pages may use."""
    folder = tmp_path_factory.mktemp("pages")
    keys = folder / "keys.toml"
    keys.write_text(f'[anna]\nkey = "{KEY}"\n')
    with scripted_server(folder, keys=keys, origins=[OBSIDIAN, "http://localhost:3000"]) as (address, _):
        yield address


def preflight(http: httpx2.Client, origin: str, **more: str) -> httpx2.Response:
    headers = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": ASKED}
    return http.options(FIND, headers=headers | more)


@pytest.mark.parametrize("origin", [OBSIDIAN, "http://localhost:3000"])
def test_before_a_request_all_is_allowed_that_the_javascript_client_sends(http: httpx2.Client, origin: str) -> None:
    answer = preflight(http, origin)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-headers"] == ASKED
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


def test_a_page_on_the_internet_may_ask_a_machine_at_home_if_it_is_let(http: httpx2.Client) -> None:
    answer = preflight(http, OBSIDIAN, **{"access-control-request-private-network": "true"})
    assert answer.headers["access-control-allow-private-network"] == "true"


def test_answers_and_errors_can_be_read(http: httpx2.Client) -> None:
    for key, status in ((KEY, 200), ("a-wrong-key-of-nobody", 401)):
        answer = http.get(JOBS, headers={"origin": OBSIDIAN, "authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, OBSIDIAN)
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"x-request-id", "retry-after", "x-sensorium-model", "x-sensorium-ignored"} <= set(exposed)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "app://obsidian.md.evil", "http://localhost:3001", "null", "app://obsidian.mdx"]
)
def test_other_pages_are_refused_with_a_key_too(http: httpx2.Client, origin: str) -> None:
    for answer in (
        preflight(http, origin),
        http.get(JOBS, headers={"origin": origin, "authorization": f"Bearer {KEY}"}),
    ):
        assert answer.status_code == 403
        assert origin in str(error_of(answer))
        assert "access-control-allow-origin" not in answer.headers


def test_a_page_that_is_let_still_needs_a_key(http: httpx2.Client) -> None:
    assert http.get(JOBS, headers={"origin": OBSIDIAN}).status_code == 401


def test_every_page_is_let_only_where_that_was_said(tmp_path: Path) -> None:
    with (
        scripted_server(tmp_path, origins=["*"]) as (address, _),
        httpx2.Client(base_url=address, trust_env=False) as http,
    ):
        answer = preflight(http, "https://anywhere.example")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert http.get(JOBS, headers={"origin": "null"}).status_code == 200


def test_further_names_of_the_server_are_told_to_it(tmp_path: Path) -> None:
    with (
        scripted_server(tmp_path, hosts=["media.example.org", "*.home.example"]) as (address, _),
        httpx2.Client(base_url=address, trust_env=False) as http,
    ):
        for host, status in (
            ("media.example.org", 200),
            ("MEDIA.example.org:8756", 200),
            ("kitchen.home.example", 200),
            ("home.example", 421),
            ("evilhome.example", 421),
            ("media.example.org.evil.example", 421),
            ("media.example.org@evil.example", 421),
            ("192.168.1.5", 421),
        ):
            assert http.get("/health", headers={"host": host}).status_code == status, host


def test_a_server_for_the_network_is_asked_by_any_address_but_not_by_any_name(tmp_path: Path) -> None:
    with scripted_server(tmp_path, host="0.0.0.0", allow_anyone="true") as (address, _):
        local = address.replace("0.0.0.0", "127.0.0.1")
        with httpx2.Client(base_url=local, trust_env=False) as http:
            assert http.get("/health", headers={"host": "192.168.1.5:8756"}).status_code == 200
            assert http.get("/health", headers={"host": "rebound.example"}).status_code == 421
            # Whoever reaches it may use it, but not take it from others.
            assert http.get(JOBS).status_code == 200
            assert http.post("/v1/sensorium/queue/pause").status_code == 403
