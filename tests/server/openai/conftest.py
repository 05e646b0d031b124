"""A real server on the starter profile, and the clients that speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import openai
import pytest

from tests.server.conftest import served

Story: TypeAlias = Callable[[openai.AsyncOpenAI], Coroutine[Any, Any, None]]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server keeps its jobs and uploads in."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def server(data: Path, pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of ``sensorium serve`` on the starter profile."""
    with served(data, *pytestconfig.getoption("serve_options").split()) as (address, _):
        yield address


@pytest.fixture
def client(server: str) -> Iterator[openai.OpenAI]:
    """OpenAI's own client; it doesn't try again, so that tests see each answer."""
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0, timeout=300) as client:
        yield client


@pytest.fixture
def asynchronously(server: str) -> Callable[[Story], None]:
    """Runs a coroutine function with OpenAI's client for asyncio."""

    async def run(story: Story) -> None:
        options = {"base_url": f"{server}/v1", "api_key": "none", "max_retries": 0, "timeout": 300}
        async with openai.AsyncOpenAI(**options) as client:
            await story(client)

    return lambda story: asyncio.run(run(story))


@pytest.fixture
def raw(server: str) -> Iterator[httpx2.Client]:
    """A client that speaks nothing but HTTP."""
    with httpx2.Client(base_url=server, trust_env=False, timeout=300) as client:
        yield client
