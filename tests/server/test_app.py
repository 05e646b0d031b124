"""The application by itself, before anybody listens."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from sensorium.engine.engine import LocalEngine
from sensorium.server.app import create_app
from sensorium.server.options import ServerOptions


def test_the_first_request_is_no_more_work_than_the_next(tmp_path: Path) -> None:
    """All others wait for the first one, so that nothing may be prepared during it. Calls are counted, not seconds."""
    options = ServerOptions(data=tmp_path, preload=False)
    app = create_app(LocalEngine(options), options, ())
    first, second, third = (_calls(app) for _ in range(3))
    assert second <= third * 2
    assert first <= third * 2


def _calls(app: Any) -> int:
    """Return how many functions are called to answer a question that nothing else takes part in."""
    count = 0

    def counting(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 404

    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"},
        **{"path": "/v1/nothing", "raw_path": b"/v1/nothing", "query_string": b"", "root_path": ""},
        **{"headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1)},
    }

    async def ask() -> None:
        await asyncio.sleep(0)
        sys.setprofile(counting)
        try:
            await app(scope, receive, send)
        finally:
            sys.setprofile(None)

    asyncio.run(ask())
    return count
