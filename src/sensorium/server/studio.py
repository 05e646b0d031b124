"""``/studio``: the page, which is put together when somebody opens it for the first time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sensorium import settings
from sensorium.engine.interface import Engine
from sensorium.engine.job import JobEvent
from sensorium.errors import NotFoundError, UnsupportedError
from sensorium.models.extras import missing_packages_explained
from sensorium.server.caller import SCOPE, Caller
from sensorium.server.options import ServerOptions
from sensorium.server.studio_routes import is_file, is_needed
from sensorium.studio.address import PAGE

SOUND = "sound"
"""Below this, the page finds speech that is still being spoken."""


class StudioEndpoint:
    """An ASGI application that leads to the page in the visitor's language.

    Args:
        engine: Runs the page's jobs.
        options: How large an upload may be.
        fetch: Fetches a checkpoint.
    """

    def __init__(
        self, engine: Engine, options: ServerOptions, fetch: Callable[[str], Awaitable[AsyncIterator[JobEvent]]]
    ) -> None:
        self._engine = engine
        self._fetch = fetch
        self._options = options
        self._stack = AsyncExitStack()
        self._making: asyncio.Task[ASGIApp] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Enter before the first request, leave after the last one."""
        async with self._stack:
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if self._options.ingress_replicas > 1:
            raise UnsupportedError(
                "The studio isn't there where several processes answer: a visitor would meet another one each time",
                "Start the server with --ingress-replicas 1",
            )
        if scope["path"].rstrip("/") == PAGE:
            from sensorium.studio.wording import preferred_language

            language = preferred_language(Headers(scope=scope).get("accept-language", ""))
            await RedirectResponse(f"{PAGE}/{language}/", 307)(scope, receive, send)
            return
        language, _, route = scope["path"].removeprefix(f"{PAGE}/").partition("/")
        if language != SOUND and not is_needed(scope["method"], route):
            raise NotFoundError(f"The page has no {scope['path'][:200]!r}", f"Open {PAGE}")
        page = await self.page()
        # Gradio would write into the page what a client calls the server.
        headers = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-host"]
        await page({**scope, "headers": headers}, receive, _guarded(send, is_file(route)))

    async def page(self) -> ASGIApp:
        """Return the page, put together.

        Raises:
            MissingDependencyError: What it is made with isn't installed.
        """
        if self._making is None or (self._making.done() and self._making.exception() is not None):
            self._making = asyncio.create_task(self._make())
        return await asyncio.shield(self._making)

    async def _make(self) -> ASGIApp:
        def make() -> Any:
            settings.keep_page_files_in(self._engine.folder_of("studio"))  # Gradio looks for it when it is imported
            with missing_packages_explained("The studio"):
                from sensorium.studio.application import create_studio
                from sensorium.studio.fetched_models import FetchedModels
                from sensorium.studio.watched_jobs import WatchedJobs
            jobs, fetched = WatchedJobs(self._engine), FetchedModels(self._fetch)
            largest = self._options.largest_upload
            return jobs, fetched, create_studio(self._engine, jobs, fetched, visitor_of=_visitor, largest=largest)

        jobs, fetched, application = await asyncio.to_thread(make)
        self._stack.push_async_callback(jobs.close)
        self._stack.push_async_callback(fetched.close)
        await self._stack.enter_async_context(application.router.lifespan_context(application))
        return cast(ASGIApp, application)

    @property
    def routes(self) -> list[Route]:
        """The routes of an application that lead here."""
        return [Route(PAGE, endpoint=self), Route(f"{PAGE}/{{path:path}}", endpoint=self)]


def _guarded(send: Send, file: bool) -> Send:
    """Return what sends an answer that no other page may frame, and no file of which may do anything by itself."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            policy = "sandbox; default-src 'none'; " if file else ""
            MutableHeaders(scope=message)["content-security-policy"] = f"{policy}frame-ancestors 'self'"
        await send(message)

    return guarded


def _visitor(request: Any) -> Any:
    from sensorium.studio.workroom import Visitor

    caller: Caller = request.scope.get(SCOPE, Caller())
    return Visitor(caller.owner, caller.administrator)
