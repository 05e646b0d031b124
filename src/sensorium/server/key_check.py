"""Who asks: a layer around all that is served, which lets nobody by without a key if there are keys."""

from __future__ import annotations

from collections import Counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sensorium.errors import AccessError, BusyError
from sensorium.server.caller import SCOPE, Caller
from sensorium.server.errors import RefusedRequest, error_response, refused_response
from sensorium.server.failed_attempts import FailedAttempts
from sensorium.server.hosts import is_loopback
from sensorium.server.keys import Key, KeyRing
from sensorium.server.options import ServerOptions
from sensorium.server.studio_login import PATH as LOGIN
from sensorium.server.studio_login import StudioLogin, belongs_to_page, key_in_cookie, to_login, wants_a_page

ALWAYS = "/health"
"""What everybody may ask, always: whether the server lives."""

_NEVER_TOO_MANY = ("/metrics", "/v1/sensorium/health")

_PUBLIC = {
    "voices": ("/v1/audio/voices",),
    "models": ("/v1/audio/models", "/v1/models"),
}
_PUBLIC_BELOW = {"models": "/v1/models/"}
_NOBODY = Caller(owner="-")
"""Who shows no key where that is allowed: owns nothing, for no key may be named so."""


class KeyCheck:
    """An ASGI layer that finds out who asks, and how much of that at a time.

    Args:
        app: What is served.
        options: What is public, and how many requests may be open.
        keys: Those that are known; if there are none, everybody may ask.
    """

    def __init__(self, app: ASGIApp, *, options: ServerOptions, keys: KeyRing) -> None:
        self._app = app
        self._options = options
        self._keys = keys
        self._attempts = FailedAttempts()
        self._login = StudioLogin(keys, self._attempts.slow_down)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["path"] == ALWAYS:
            await self._app(scope, receive, send)
            return
        if self._keys and scope["path"] == LOGIN:
            await self._login(scope, receive, send)
            return
        headers, is_page = Headers(scope=scope), belongs_to_page(scope["path"])
        shown = _shown(headers) or (key_in_cookie(headers) if is_page else None)
        key = self._keys.find(shown) if shown is not None else None
        caller = self._caller(scope, key)
        if caller is None and is_page and wants_a_page(scope, headers):
            await to_login()(scope, receive, send)
            return
        if caller is None:
            if shown is not None:
                await self._attempts.slow_down((scope.get("client") or ("", 0))[0])
            await refused_response(_refusal(scope["method"], shown))(scope, receive, send)
            return
        busy = None if scope["path"] in _NEVER_TOO_MANY else self._too_much(None if is_page else key)
        if busy is not None:
            await error_response(busy)(scope, receive, send)
            return
        scope[SCOPE] = caller
        self._open[caller.owner] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[caller.owner] -= 1
            if not self._open[caller.owner]:
                del self._open[caller.owner]

    def _caller(self, scope: Scope, key: Key | None) -> Caller | None:
        if not self._keys:
            return Caller(administrator=is_loopback(self._options.host))
        if key is not None:
            return Caller(key.name, key.admin)
        return _NOBODY if self._is_public(scope["method"], scope["path"]) else None

    def _is_public(self, method: str, path: str) -> bool:
        return method in ("GET", "HEAD") and any(
            path in _PUBLIC[what] or (what in _PUBLIC_BELOW and path.startswith(_PUBLIC_BELOW[what]))
            for what in self._options.public
        )

    def _too_much(self, key: Key | None) -> BusyError | None:
        if self._open.total() >= self._options.requests:
            return BusyError(f"{self._open.total()} requests are open already", "Ask again later")
        if key is None:
            return None
        most = key.concurrency or self._options.requests_per_key
        if most is not None and self._open[key.name] >= most:
            return BusyError(f"{self._open[key.name]} requests with this key are open already", "Ask again later", 1)
        return None


def _shown(headers: Headers) -> str | None:
    """Return the key that a request shows, as any of the programs that are in use sends it."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return next((headers[name] for name in ("x-api-key", "api-key") if headers.get(name)), None)


def _refusal(method: str, shown: str | None) -> RefusedRequest:
    if shown is None:
        reason = AccessError("This server needs a key", "Send it as 'Authorization: Bearer KEY'")
    else:
        reason = AccessError("This server doesn't know the key that was sent", "Send one that it knows")
    # The body of what is refused isn't read.
    refusal = RefusedRequest(401, reason, close=method not in ("GET", "HEAD"))
    refusal.headers = {**(refusal.headers or {}), "www-authenticate": "Bearer"}
    return refusal
