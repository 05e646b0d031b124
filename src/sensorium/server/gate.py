"""What every request passes first: how it calls the server, which page sent it, its id, what is told if all fails."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sensorium.errors import ClosedError, InputError
from sensorium.server.errors import RefusedRequest, error_response, refused_response, unexpected
from sensorium.server.hosts import Hosts
from sensorium.server.options import ServerOptions

ANY = "*"
"""The origin that stands for every page there is."""

logger = logging.getLogger("sensorium.server")

_REQUEST_ID = re.compile(r"[\w.:-]{1,100}")


class Gate:
    """An ASGI layer around the whole application.

    Args:
        app: The application.
        options: What it is called, and which pages may use it.
    """

    def __init__(self, app: ASGIApp, *, options: ServerOptions) -> None:
        self._app = app
        self._hosts = Hosts(options)
        self._origins = frozenset(options.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or whatever else the server has to say."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send(
                {"type": "websocket.close", "code": 1008}
            )  # nothing here speaks it, and nothing would ask for keys
            return
        answer = _Answer(scope, receive, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await answer.give(refusal)
            return
        # Whoever asks for the head alone (health checks do) gets that of GET: its body is left out where it is sent.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self._app(asked, receive, answer.send)
        except asyncio.CancelledError:
            # The server ends: its patience with open requests is over.
            await answer.give(error_response(ClosedError("The server ends", "Ask again once it runs again")))
        except ClientDisconnect:
            pass  # nobody is there to be told
        except Exception:
            logger.exception("%s %s failed; request %s", scope["method"], scope["path"], answer.request)
            await answer.give(error_response(unexpected()))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            # A page whose own name was made to point to this machine would be let in by its address alone.
            reason = InputError(
                f"This server isn't called {host!r}", "Ask it by a name of its own; further ones are told with --hosts"
            )
            return refused_response(RefusedRequest(421, reason))
        if "content-length" in headers and "transfer-encoding" in headers:
            # Where one ends, this server and one in front of it might not agree on.
            reason = InputError("The request tells its length twice", "Send content-length or chunks, not both")
            return refused_response(RefusedRequest(400, reason, close=True))
        origin = headers.get("origin")
        if origin is not None and not self._may_use(origin, host):
            reason = InputError(
                f"Pages of {origin!r} may not use this server",
                "Use it from its own address, or let them with --origins",
            )
            return refused_response(RefusedRequest(403, reason))
        return None

    def _may_use(self, origin: str, host: str) -> bool:
        return origin in (f"http://{host}", f"https://{host}") or not self._origins.isdisjoint((origin, ANY))


class _Answer:
    """The answer to one request: each has the request's id, and none is begun twice."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.request = given if _REQUEST_ID.fullmatch(given) else f"req-{secrets.token_hex(12)}"
        self._scope, self._receive, self._send = scope, receive, send
        self._begun = False

    async def send(self, message: Message) -> None:
        """Pass on a message of the application."""
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.request
            headers["x-content-type-options"] = "nosniff"
        await self._send(message)

    async def give(self, response: Response) -> None:
        """Answer, unless the application has begun to."""
        if not self._begun:
            await response(self._scope, self._receive, self.send)
