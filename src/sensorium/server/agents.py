"""``/mcp``: the operations as tools for agents, behind the same keys as everything else."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from pathlib import Path
from typing import cast
from urllib.parse import quote

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sensorium.engine.interface import Engine
from sensorium.errors import BusyError
from sensorium.mcp.operation_runner import EngineRunner
from sensorium.mcp.tool_server import Call, ToolServer
from sensorium.server.caller import SCOPE, Caller
from sensorium.server.options import ServerOptions

PATH = "/mcp"
_MOST_SESSIONS = 1000
_IDLE_SECONDS = 600.0
_MOST_BEGUN = 60
"""Sessions that one owner may begin in the time after which an idle one ends: nobody takes the room of all others."""
_GATE_CHECKS_HOSTS = TransportSecuritySettings(enable_dns_rebinding_protection=False)


class AgentsEndpoint:
    """An ASGI application that speaks the Model Context Protocol (streamable HTTP).

    Args:
        engine: Runs what agents ask for.
        options: How large a request may be, and how many processes answer: more than one keep no sessions.
    """

    def __init__(self, engine: Engine, options: ServerOptions) -> None:
        server = ToolServer(EngineRunner(engine), owner_of=_owner, where=_address)
        server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=options.ingress_replicas > 1,
            max_request_body_size=options.largest_body,
            max_sessions=_MOST_SESSIONS,
            session_idle_timeout=_IDLE_SECONDS,
            transport_security=_GATE_CHECKS_HOSTS,
        )
        self._sessions: StreamableHTTPSessionManager = server.session_manager
        self._begun: defaultdict[str, deque[float]] = defaultdict(deque)
        self.running = self._sessions.run
        """Enters what holds the sessions; before the first request, until after the last one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        caller: Caller = scope.get(SCOPE, Caller())
        headers = Headers(scope=scope)
        # Agents of before 2026 begin a session with a request that names neither one nor the protocol.
        if scope["method"] == "POST" and not {"mcp-session-id", "mcp-protocol-version"}.intersection(headers.keys()):
            self._count_session(caller.owner)
        # So that a session is found only by who began it.
        user = AuthenticatedUser(AccessToken(token="", client_id=caller.owner, scopes=[]))
        await self._sessions.asgi_app({**scope, "user": user}, receive, send)

    def _count_session(self, owner: str) -> None:
        begun, now = self._begun[owner], time.monotonic()
        while begun and begun[0] < now - _IDLE_SECONDS:
            begun.popleft()
        if len(begun) >= _MOST_BEGUN:
            raise BusyError(f"{len(begun)} sessions were begun in the last minutes", "Go on in one of them, or wait")
        begun.append(now)

    @property
    def route(self) -> Route:
        """The route of an application that leads here."""
        return Route(PATH, endpoint=self)


def _owner(call: Call) -> str:
    return cast(Caller, _request(call).scope.get(SCOPE, Caller())).owner


def _address(call: Call, job: str, name: str, file: Path) -> str:
    base = str(_request(call).base_url).rstrip("/")
    return f"{base}/v1/sensorium/jobs/{quote(job, safe='')}/artifacts/{quote(name, safe='')}"


def _request(call: Call) -> Request:
    return cast(Request, call.request_context.request)
