"""Servers as programs of their own, and clients that speak nothing but HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.processes import SENSORIUM, running


@contextmanager
def scripted_server(folder: Path, **options: Any) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """Run a scripted server; give its address and its process."""
    arguments = [f"{name}={_written(value)}" for name, value in {"data": folder, **options}.items()]
    command = [sys.executable, "-m", "tests.server.scripted_server", *arguments]
    with running(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stderr is not None
        address = process.stderr.readline().strip()
        assert address.startswith("http://"), address + process.stderr.read()
        yield address, process


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


@contextmanager
def served(data: Path, *options: str, command: str = "serve") -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """Run ``sensorium serve``, or another command that serves; give its address and its process."""
    words = [*SENSORIUM, command, "--port", "0", "--json", "--data", str(data), *options]
    with running(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"], process


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scripted server."""
    with scripted_server(tmp_path_factory.mktemp("server"), patience=2, largest_body=100_000) as (address, _):
        yield address


@pytest.fixture
def http(address: str) -> Iterator[httpx2.Client]:
    """A client of the scripted server."""
    with httpx2.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield client
