"""Clients that send slowly or too much: bounded, so that nobody holds a connection for ever."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sensorium.errors import InputError
from sensorium.server.errors import RefusedRequest, error_body, refused_response
from sensorium.server.options import ServerOptions
from sensorium.studio.address import PAGE

UPLOADS = ("/v1/sensorium/uploads", "/v1/files")
RECORDINGS = ("/asr", "/detect-language")
"""Films of hours come here in one request."""


class Pace:
    """An ASGI layer that refuses bodies that are too large (413) or come too slowly (408)."""

    def __init__(self, app: ASGIApp, *, options: ServerOptions) -> None:
        self._app = app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or whatever else the server has to say."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        body = _Body(receive, limit, self._options)
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            await refused_response(body.too_large())(scope, receive, send)
            return
        await self._app(scope, body.receive, send)

    def _limit(self, path: str) -> int:
        if path in RECORDINGS:
            return self._options.largest_recording
        if path in UPLOADS or (path.startswith(f"{PAGE}/") and path.endswith("/gradio_api/upload")):
            return self._options.largest_upload
        return self._options.largest_body


class _Body:
    """The body of one request, on its way in."""

    def __init__(self, receive: Receive, limit: int, options: ServerOptions) -> None:
        self._receive = receive
        self._limit = limit
        self._options = options
        self._came = 0
        self._waited = 0.0
        self._complete = False

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            RefusedRequest: It takes too long, or is too large.
        """
        if self._complete:
            return await self._receive()
        clock = asyncio.get_running_loop().time
        began = clock()
        patience = self._options.patience + self._came / self._options.slowest_upload - self._waited
        try:
            async with asyncio.timeout(max(patience, 0)):
                message = await self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        self._waited += clock() - began
        self._came += len(message.get("body", b""))
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        if self._came > self._limit:
            raise self.too_large()
        return message

    def too_large(self) -> RefusedRequest:
        """Return the refusal of a body that is too large."""
        reason = InputError(
            f"The request has more than {self._limit} bytes", f"Send a smaller one, or send files to {UPLOADS[0]} first"
        )
        return RefusedRequest(413, reason, close=True)

    def _too_slow(self) -> RefusedRequest:
        reason = InputError(
            f"The request came too slowly: {self._came} bytes in {self._waited + self._options.patience:.0f} seconds",
            f"Send at least {self._options.slowest_upload} bytes a second",
        )
        return RefusedRequest(408, reason, close=True)


def protocol_for(options: ServerOptions) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, which also ends connections on which no whole head of a request comes."""

    class PatientProtocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _heard = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._begin_to_wait()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self._timer is not None:
                self._timer.cancel()

        def data_received(self, data: bytes) -> None:
            self._heard = True
            super().data_received(data)

        def on_response_complete(self) -> None:
            self._begin_to_wait()
            super().on_response_complete()

        def _begin_to_wait(self) -> None:
            self._heard = False
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_later(options.patience, self._end_unless_at_work)

        def _end_unless_at_work(self) -> None:
            at_work = self.cycle is not None and not self.cycle.response_complete
            if at_work or self.transport.is_closing():
                return
            if self._heard:
                self.transport.write(_TOO_SLOW_A_HEAD)
            self.transport.close()

    return PatientProtocol


def _too_slow_a_head() -> bytes:
    reason = InputError("The head of the request came too slowly", "Send it at once")
    body = json.dumps(error_body(reason, 408)).encode()
    head = f"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + body


_TOO_SLOW_A_HEAD = _too_slow_a_head()
