"""``/studio/login``: people show their key once, and their browser keeps it for the page alone."""

from __future__ import annotations

import asyncio
import html
import importlib.resources
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from string import Template
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from sensorium.server.keys import KeyRing
from sensorium.studio.address import PAGE

PATH = f"{PAGE}/login"
_COOKIE = "sensorium-key"
_LARGEST = 4096
_PATIENCE = 10.0
_LASTS = 30 * 24 * 3600


def belongs_to_page(path: str) -> bool:
    """Return whether a path is one of the page's."""
    return path == PAGE or path.startswith(f"{PAGE}/")


def key_in_cookie(headers: Headers) -> str | None:
    """Return the key that a browser has kept, or None."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return None
    return None if found is None or not found.value else found.value


def wants_a_page(scope: Scope, headers: Headers) -> bool:
    """Return whether a request is somebody's who opens a page, rather than a page's own."""
    return scope["method"] == "GET" and "text/html" in headers.get("accept", "")


def to_login() -> Response:
    """Return the answer that leads to the question for the key."""
    return RedirectResponse(PATH, 303)


class StudioLogin:
    """An ASGI application that asks for a key.

    Args:
        keys: Those that are known.
        slow_down: Waits because a wrong key came from an address.
    """

    def __init__(self, keys: KeyRing, slow_down: Callable[[str], Awaitable[None]]) -> None:
        self._keys = keys
        self._slow_down = slow_down

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        request = Request(scope, receive)
        if scope["method"] != "POST":
            await _asked()(scope, receive, send)
            return
        key = await _key_in_form(request)
        if not key or self._keys.find(key) is None:
            await self._slow_down((scope.get("client") or ("", 0))[0])
            await _asked("The server doesn't know this key.", 401)(scope, receive, send)
            return
        answer = RedirectResponse(PAGE, 303)
        # Only the page sends it, and no other page can make a browser send it.
        answer.set_cookie(
            _COOKIE,
            key,
            max_age=_LASTS,
            path=PAGE,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        await answer(scope, receive, send)


async def _key_in_form(request: Request) -> str:
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for piece in request.stream():
                body += piece
                if len(body) > _LARGEST:
                    return ""
    except TimeoutError:
        return ""
    try:
        return parse_qs(body.decode("ascii")).get("key", [""])[0].strip()
    except ValueError:
        return ""


def _asked(problem: str = "", status: int = 200) -> HTMLResponse:
    page = importlib.resources.files(__package__).joinpath("studio_login.html").read_text("utf-8")
    told = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
    headers = {"cache-control": "no-store", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(Template(page).substitute(problem=told, path=PATH), status, headers)
