"""Asking the application from inside: the same endpoints, without the doors that strangers pass."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

from sensorium.server.caller import SCOPE, Caller


@dataclass(frozen=True)
class InsideAnswer:
    """What the application answers.

    Attributes:
        request: The id of the request.
        status: The HTTP status.
        headers: The headers.
        body: All of the body.
    """

    request: str
    status: int
    headers: Headers
    body: bytes


async def ask_inside(application: ASGIApp, path: str, body: bytes, *, owner: str, address: str) -> InsideAnswer:
    """Send JSON to an endpoint for somebody whom the server knows; if this is cancelled, the client has gone.

    Args:
        application: Without the layers that ask for keys.
        path: Of the endpoint.
        body: The JSON.
        owner: For whom.
        address: How the one calls the server.
    """
    place = urlsplit(address)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": place.scheme,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", place.netloc.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": None,
        "server": None,
        SCOPE: Caller(owner=owner),
    }
    sent = iter([{"type": "http.request", "body": body, "more_body": False}])
    begun: Message = {}
    pieces: list[bytes] = []

    async def receive() -> Message:
        message = next(sent, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.update(message)
        else:
            pieces.append(message.get("body", b""))

    await application(scope, receive, send)
    headers = Headers(raw=list(begun["headers"]))
    return InsideAnswer(f"req-{secrets.token_hex(12)}", begun["status"], headers, b"".join(pieces))
