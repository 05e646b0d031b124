"""An agent's side of the protocol, as the SDK's own client speaks it, for tests that aren't asynchronous."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.from_thread
import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent, Tool

from sensorium.operations.media import UPLOAD


@dataclass
class Conversation:
    """An agent that talks to the tools.

    Attributes:
        tools: What the tools are said to do, by name.
        hand_over: Turns a file of this machine into what a tool takes for it.
    """

    _client: Any
    _portal: Any
    tools: Mapping[str, Tool]
    hand_over: Callable[[Path], str]
    told: list[tuple[float, float | None, str | None]] = field(default_factory=list)
    """The progress of the last call: done, of how much, in words."""

    def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """Call a tool."""
        self.told.clear()

        async def tell(done: float, total: float | None, message: str | None) -> None:
            self.told.append((done, total, message))

        answer: CallToolResult = self._portal.call(
            lambda: self._client.call_tool(tool, arguments, progress_callback=tell)
        )
        return answer

    def call_off(self, tool: str, after: int, /, **arguments: Any) -> None:
        """Call a tool, and call it off once it has told so much progress."""
        self.told.clear()

        async def call() -> None:
            async def tell(done: float, total: float | None, message: str | None) -> None:
                self.told.append((done, total, message))
                if len(self.told) >= after:
                    scope.cancel()

            with anyio.CancelScope() as scope:
                await self._client.call_tool(tool, arguments, progress_callback=tell)
            assert scope.cancelled_caught

        self._portal.call(call)

    def read(self, uri: str) -> tuple[bytes, str]:
        """Read a resource; return its bytes and media type."""
        content = self._portal.call(lambda: self._client.read_resource(uri)).contents[0]
        data = content.text.encode() if hasattr(content, "text") else base64.b64decode(content.blob)
        return data, content.mime_type

    def ask(self, method: str) -> Any:
        """Return what the client's method of that name returns."""
        return self._portal.call(getattr(self._client, method))

    @property
    def instructions(self) -> str:
        """What the agent is told of all tools together."""
        return str(self._client.instructions)


def document(answer: CallToolResult) -> dict[str, Any]:
    """Return what a tool that did well answers."""
    assert not answer.is_error, answer.content
    text = answer.content[0]
    assert isinstance(text, TextContent)
    whole: dict[str, Any] = json.loads(text.text)
    return whole


def links(answer: CallToolResult) -> list[ResourceLink]:
    """Return the files that an answer links to."""
    return [each for each in answer.content if isinstance(each, ResourceLink)]


def pictures(answer: CallToolResult) -> list[ImageContent]:
    """Return the pictures that an answer shows."""
    return [each for each in answer.content if isinstance(each, ImageContent)]


@contextmanager
def started(*options: str, data: Path, mode: str = "auto", **environment: str) -> Iterator[Conversation]:
    """Let an agent start ``sensorium mcp`` itself; its errors go to ``data``'s neighbour of that name with ``.log``."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "sensorium", "mcp", *options],
        env={**os.environ, "SENSORIUM_DATA": str(data), **environment},
    )
    with data.with_suffix(".log").open("w") as errors:
        yield from _talking(lambda: Client(stdio_client(parameters, errlog=errors), mode=mode), str)


@contextmanager
def connected(address: str, key: str = "", mode: str = "auto") -> Iterator[Conversation]:
    """Let an agent talk to a server that runs."""
    headers = {"authorization": f"Bearer {key}"} if key else {}

    def hand_over(path: Path) -> str:
        answer = httpx2.post(
            f"{address}/v1/sensorium/uploads",
            params={"name": path.name},
            content=path.read_bytes(),
            headers={**headers, "content-type": "application/octet-stream"},
            trust_env=False,
        )
        return f"{UPLOAD}{answer.raise_for_status().json()['id']}"

    def client() -> Client:
        http = httpx2.AsyncClient(headers=headers, trust_env=False, timeout=120)
        return Client(streamable_http_client(f"{address}/mcp", http_client=http), mode=mode)

    yield from _talking(client, hand_over)


def _talking(client: Callable[[], Client], hand_over: Callable[[Path], str]) -> Iterator[Conversation]:
    async def make() -> Client:
        return client()

    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(portal.call(make)) as talking,
    ):
        tools = {tool.name: tool for tool in portal.call(talking.list_tools).tools}
        yield Conversation(talking, portal, tools, hand_over)
