"""One server on Ray Serve, with two ingress replicas, and the clients of the tests that the local server passes too."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.server.conftest import served
from tests.server.openai.conftest import asynchronously, client, data, raw

__all__ = ["asynchronously", "client", "data", "raw"]


@pytest.fixture(scope="module")
def serving(data: Path) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """``sensorium serve --cluster`` on the starter profile; it ends when it is told to, and leaves no process.

    It lives no longer than a file of tests: a cluster without work takes a fifth of a core from the tests after it.
    """
    with served(data, "--cluster", "--ingress-replicas", "2", "--no-preload") as (address, process):
        yield address, process
        started = psutil.Process(process.pid).children(recursive=True)
        assert started
        process.terminate()
        assert process.wait(180) == 0
        _, left = psutil.wait_procs(started, 60)
        assert not left


@pytest.fixture(scope="module")
def server(serving: tuple[str, subprocess.Popen[Any]]) -> str:
    """Its address."""
    return serving[0]


@pytest.fixture(scope="module")
def address(server: str) -> str:
    """The same, as other tests call it."""
    return server


@pytest.fixture
def http(server: str) -> Iterator[httpx2.Client]:
    """A client that speaks nothing but HTTP."""
    with httpx2.Client(base_url=server, trust_env=False, timeout=120) as client:
        yield client
