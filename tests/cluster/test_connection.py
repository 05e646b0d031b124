"""Clusters that can't be joined."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from sensorium.cluster.connection import connected
from sensorium.errors import InputError, UnreachableError
from tests.processes import running
from tests.refusals import refused


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", ":6379", ""])
def test_what_is_no_address_of_a_cluster_is_told(address: str) -> None:
    with refused(InputError, repr(address), "host:port"), connected(address, processors=1, purpose="A test"):
        pass


def test_a_cluster_that_is_not_there_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with refused(UnreachableError, address, "ray start"), connected(address, processors=1, purpose="A test"):
            pass


@pytest.fixture
def head(tmp_path: Path) -> Iterator[str]:
    """The address of a head's control service, which asks for a token that nobody here has."""
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    program = Path(ray.origin).parent / "core/src/ray/gcs/gcs_server"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    options = [f"--gcs_server_port={port}", "--node-ip-address=127.0.0.1", "--metrics-agent-port=0"]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    with running(
        [program, *options, f"--log_dir={tmp_path}", "--session-name=test"],
        env={**os.environ, **token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as service:
        begun = time.monotonic()
        while True:
            assert service.poll() is None
            assert time.monotonic() - begun < 120
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                break
        yield f"127.0.0.1:{port}"


def test_a_cluster_that_asks_for_a_token_is_told_before_ray_has_tried_for_a_minute(head: str) -> None:
    with refused(UnreachableError, head, "RAY_AUTH_MODE"), connected(head, processors=1, purpose="A test"):
        pass
