"""Events as they are sent (SSE): numbered, kept alive, and closed when their reader goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from sensorium.engine.job import JobEvent
from sensorium.errors import NotFoundError, SensoriumError
from sensorium.server.errors import error_body, error_status, unexpected

KEEPALIVE_SECONDS = 15.0
"""After so long a silence a comment is sent: those in between close connections on which nothing moves."""

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class EventStream(EventSourceResponse):
    """The answer that tells the events of a job.

    The engine is asked for the next one only when the reader has taken the one before, so a slow reader fills nobody's
    memory.

    Args:
        events: Of the job.
        left: Called if the reader goes before the last event.
    """

    def __init__(self, events: AsyncIterator[JobEvent], left: Callable[[], Awaitable[object]] | None = None) -> None:
        super().__init__(self._sent(events), headers=_HEADERS)
        self._left = left
        self._complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._left is not None and not self._complete:
                with suppress(NotFoundError):
                    await self._left()

    async def _sent(self, events: AsyncIterator[JobEvent]) -> AsyncIterator[bytes]:
        try:
            async with aclosing(with_silences(events)) as heard:
                async for event in heard:
                    yield KEEPALIVE_COMMENT if event is None else _message(event.document, str(event.id))
        except SensoriumError as error:
            yield _message(error_body(error, error_status(error)))
        except Exception:
            # The answer has begun: this is the only way left to tell.
            yield _message(error_body(unexpected(), 500))
            raise
        self._complete = True


async def with_silences(events: AsyncIterator[JobEvent]) -> AsyncGenerator[JobEvent | None]:
    """Yield the events, and None after each silence; however it ends, the iterator behind it is closed."""
    waiting: asyncio.Future[JobEvent] | None = None
    try:
        while True:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({waiting}, timeout=KEEPALIVE_SECONDS)
            if not done:
                yield None
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            finally:
                waiting = None
            yield event
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _message(document: Mapping[str, Any], number: str | None = None) -> bytes:
    return format_sse_event(
        data_str=json.dumps(document, ensure_ascii=False), event=str(document.get("type", "error")), id=number
    )
