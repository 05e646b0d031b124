"""The line from an ingress replica to the keeper: waits while it starts again, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import Context
from typing import Any

from sensorium.cluster.serving.messages import TAKEN, question, value_in
from sensorium.errors import ClosedError, InternalError

PATIENCE_SECONDS = 30.0
"""How long a request waits for a keeper that starts again on another node or in another process."""
_PAUSE_SECONDS = 0.25

_MAY_BE_ASKED_AGAIN = frozenset(
    {
        *("ready", "job", "jobs", "upload", "uploads", "models", "health", "measurements"),
        *("cancel", "pause", "resume"),
        *("voices.consent", "voices.consents", "voices.voice", "voices.voices"),
        *("batches.batch", "batches.batches"),
    }
)
"""Asking these twice is as good as asking once."""


class KeeperLostError(Exception):
    """The keeper ended, or its node did, after it had begun to answer."""


class KeeperLine:
    """Asks the keeper.

    Args:
        handle: Of the keeper's deployment.
        patience: Seconds that a question waits for a keeper that isn't there.
    """

    def __init__(self, handle: Any, patience: float = PATIENCE_SECONDS) -> None:
        self._handle = handle.options(stream=True)
        self._patience = patience

    async def ask(self, method: str, *, patience: float | None = None, **arguments: Any) -> Any:
        """Return the keeper's answer, as plain data; what waits for it there is cancelled if this is.

        Args:
            method: What is asked.
            patience: Seconds to wait for a keeper that isn't there; by default those of the line.
            arguments: Of the method; results and lists become plain data.

        Raises:
            SensoriumError: The keeper's answer is one.
            ClosedError: There is no keeper at the moment, or it ended meanwhile.
        """
        while True:
            try:
                return await self.ask_once(method, patience=patience, **arguments)
            except KeeperLostError:
                if method not in _MAY_BE_ASKED_AGAIN:
                    raise ClosedError(
                        "The keeper of the jobs ended before it had answered; it starts again by itself",
                        "See whether what you asked for is there, and ask again if it isn't",
                    ) from None

    async def ask_once(self, method: str, *, patience: float | None = None, **arguments: Any) -> Any:
        """Return the keeper's answer: see `ask`.

        Raises:
            KeeperLostError: It ended meanwhile.
        """
        async with aclosing(self.listen(method, patience=patience, **arguments)) as values:
            async for value in values:
                return value
        raise InternalError(f"The keeper of the jobs has no answer to {method!r}", "Report it, please")

    async def listen(self, method: str, *, patience: float | None = None, **arguments: Any) -> AsyncGenerator[Any]:
        """Yield what the keeper answers, line by line; closing the iterator cancels what waits there.

        Raises:
            SensoriumError: The keeper's answer is one.
            ClosedError: There is no keeper at the moment.
            KeeperLostError: It ended meanwhile.
        """
        lines = await self._begun(question(method, arguments), self._patience if patience is None else patience)
        complete = False
        try:
            while True:
                line = await _next(lines)
                if line is None:
                    complete = True
                    return
                yield value_in(line)
        finally:
            if not complete:
                lines.cancel()

    async def _begun(self, line: str, patience: float) -> Any:
        """Return the lines of an answer after the first one, which says that the keeper is there."""
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            # In a context of its own: Serve would cancel the question together with the request that it belongs to,
            # in the middle of whatever the keeper does, and what becomes of it is ours to say.
            lines = Context().run(self._handle.ask.remote, line)
            begun = False
            try:
                async with asyncio.timeout_at(deadline):
                    begun = await _next(lines) == TAKEN
                    if begun:
                        return lines
            except KeeperLostError:
                pass
            except TimeoutError:
                raise _away() from None
            finally:
                if not begun:
                    lines.cancel()
            if asyncio.get_running_loop().time() + _PAUSE_SECONDS > deadline:
                raise _away()
            await asyncio.sleep(_PAUSE_SECONDS)


def _away() -> ClosedError:
    return ClosedError("The keeper of the jobs isn't there at the moment; it starts again by itself", "Ask again later")


async def _next(lines: Any) -> str | None:
    """Return the next line of an answer, or None after the last one.

    Raises:
        KeeperLostError: The keeper ended.
    """
    from ray.exceptions import RayError
    from ray.serve.exceptions import RayServeException

    try:
        return str(await anext(lines))
    except StopAsyncIteration:
        return None
    except (RayError, RayServeException) as error:
        raise KeeperLostError from error
