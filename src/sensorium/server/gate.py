"""What every request passes first: who may ask at all, how many at a time, its id, and what it is told if all fails."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sensorium.errors import BusyError, ClosedError, InputError
from sensorium.server.caller import SCOPE, Caller
from sensorium.server.errors import RefusedRequest, error_response, refused_response, unexpected

logger = logging.getLogger("sensorium.server")

_ALWAYS = ("/health", "/metrics")
_REQUEST_ID = re.compile(r"[\w.:-]{1,100}")


class Gate:
    """An ASGI layer around the whole application.

    Args:
        app: The application.
        requests: How many requests may be open at the same time; `/health` and `/metrics` always pass.
    """

    def __init__(self, app: ASGIApp, *, requests: int) -> None:
        self._app = app
        self._requests = requests
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or whatever else the server has to say."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await answer.give(refusal)
            return
        scope[SCOPE] = Caller(administrator=True)
        self._open += 1
        try:
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            # The server ends: its patience with open requests is over.
            await answer.give(error_response(ClosedError("The server ends", "Ask again once it runs again")))
        except ClientDisconnect:
            pass  # nobody is there to be told
        except Exception:
            logger.exception("%s %s failed; request %s", scope["method"], scope["path"], answer.request)
            await answer.give(error_response(unexpected()))
        finally:
            self._open -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_loopback(_name_in(host)):
            # A page whose own name was made to point to this machine would be let in by its address alone.
            reason = InputError(f"This server isn't called {host!r}", "Ask for http://127.0.0.1 or http://localhost")
            return refused_response(RefusedRequest(421, reason))
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            reason = InputError(f"Pages of {origin!r} may not use this server", "Use it from its own address")
            return refused_response(RefusedRequest(403, reason))
        if self._open >= self._requests and scope["path"] not in _ALWAYS:
            return error_response(BusyError(f"{self._open} requests are open already", "Ask again later"))
        return None


def is_loopback(host: str) -> bool:
    """Return whether a host, without its port, is this machine seen from itself."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


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
