"""``sensorium serve --cluster``: what it has that a local server hasn't."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import grpc
import httpx2
import psutil
import pytest

from tests.server.test_serving import ROOT, cat, until

__all__ = ["cat"]


def processes(serving: tuple[str, subprocess.Popen[Any]], name: str) -> list[psutil.Process]:
    """Return the replicas of a deployment."""
    return [
        each
        for each in psutil.Process(serving[1].pid).children(recursive=True)
        if each.is_running() and each.name().startswith("ray::") and name in " ".join(each.cmdline())
    ]


def test_any_ingress_replica_answers_for_any_job(http: httpx2.Client, cat: str) -> None:
    job = http.post(f"{ROOT}/caption", params={"background": "true"}, json={"image": cat}).raise_for_status().json()
    until(lambda: http.get(f"{ROOT}/jobs/{job['id']}").json()["state"] == "done")
    shown = [http.get(f"{ROOT}/jobs/{job['id']}", headers={"connection": "close"}).json() for _ in range(12)]
    assert shown == [shown[0]] * len(shown)


def test_every_answer_has_one_id_which_the_client_may_choose(http: httpx2.Client) -> None:
    for asked in ("mine-1", None):
        answer = http.get("/health", headers={} if asked is None else {"x-request-id": asked})
        (given,) = [value for name, value in answer.headers.multi_items() if name == "x-request-id"]
        assert asked in (None, given)


def test_what_listens_on_a_network_asks_for_rays_token(serving: tuple[str, subprocess.Popen[Any]]) -> None:
    started = psutil.Process(serving[1].pid)
    open_to_all = {
        each.laddr.port: process.name()
        for process in (started, *started.children(recursive=True))
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN and not each.laddr.ip.endswith(("127.0.0.1", "::1"))
    }
    assert {name[: len("ray::ServeRepli")] for name in open_to_all.values()} <= {"ray::ServeRepli"}
    for port in open_to_all:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.RpcError) as refusal:
                channel.unary_unary("/ray.serve.ASGIService/HandleRequest")(b"", timeout=20)
            assert refusal.value.code() == grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


def test_the_studio_needs_one_replica_and_mcp_keeps_no_sessions(http: httpx2.Client) -> None:
    assert "ingress-replicas" in http.get("/studio").json()["error"]["message"]
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    for _ in range(4):
        answer = http.post("/mcp", json=asked, headers=headers).raise_for_status()
        assert "transcribe" in answer.text
        assert "mcp-session-id" not in answer.headers


def test_a_keeper_that_dies_comes_back_with_its_jobs(
    serving: tuple[str, subprocess.Popen[Any]], http: httpx2.Client, cat: str, measured: Callable[[str], None]
) -> None:
    http.post(f"{ROOT}/queue/pause").raise_for_status()
    fields = {"image": cat}
    jobs = [http.post(f"{ROOT}/caption", params={"background": "true"}, json=fields).json()["id"] for _ in range(3)]
    (keeper,) = processes(serving, "keeper")
    keeper.kill()
    begun = time.monotonic()
    answer = until(lambda: (found := http.get(f"{ROOT}/jobs/{jobs[0]}")).status_code == 200 and found)
    measured(f"the keeper is killed and answers again: {time.monotonic() - begun:.1f} s")
    assert answer.json()["state"] == "queued"
    assert processes(serving, "keeper") != [keeper]
    http.post(f"{ROOT}/queue/resume").raise_for_status()
    for job in jobs:
        until(lambda job=job: http.get(f"{ROOT}/jobs/{job}").json()["state"] == "done")
    assert http.post(f"{ROOT}/caption", json=fields).raise_for_status().json()["result"]["text"]
