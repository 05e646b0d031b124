"""The application behind Serve's proxy, which says in its own way that a client has gone."""

from __future__ import annotations

import asyncio
from contextvars import Context

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Proxied:
    """An ASGI layer between Serve and the application.

    Serve cancels whatever works for a client that has gone. Elsewhere the application is told (``http.disconnect``),
    and cleans up before it ends: here too, or an upload half noted, a job that nobody waits for, would be left.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._working: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or whatever else the server has to say."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gone = asyncio.Event()

        async def heard() -> Message:
            waiting, leaving = asyncio.ensure_future(receive()), asyncio.ensure_future(gone.wait())
            try:
                await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
                return waiting.result() if waiting.done() else {"type": "http.disconnect"}
            finally:
                waiting.cancel()
                leaving.cancel()

        async def told(message: Message) -> None:
            if gone.is_set():
                raise ClientDisconnect
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["x-request-id"]  # the proxy, which gave it, writes it too
            await send(message)

        # Serve cancels by context: in one of its own, nothing of the work is touched.
        work = asyncio.create_task(_answered(self._app, scope, heard, told), context=Context())
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        try:
            await asyncio.shield(work)
        finally:
            gone.set()


async def _answered(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
