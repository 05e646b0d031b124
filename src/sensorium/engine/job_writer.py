"""One thread that writes to the job database, in order, so that a slow or absent database never holds up the engine."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from sensorium.errors import StorageError

logger = logging.getLogger("sensorium.engine")

_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between the tries to write what must not be lost; the last one is repeated."""


class JobWriter:
    """Writes one after the other. What must not be lost is tried again until the database is back.

    Args:
        probe: Raises `StorageError` while the database is away.
    """

    def __init__(self, probe: Callable[[], None]) -> None:
        self._probe = probe
        self._waiting: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any] | None] | None] = (
            queue.SimpleQueue()
        )
        self._trouble = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sensorium-job-writer", daemon=True)

    @property
    def trouble(self) -> str:
        """Why the database can't be written to, in a sentence; "" if it can."""
        return self._trouble

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def write(self, action: Callable[[], Any]) -> None:
        """Write as soon as possible, and again until it has worked."""
        self._waiting.put((action, None))

    async def write_now(self, action: Callable[[], Any]) -> Any:
        """Write, and return what the action returns; fails at once where the database is away.

        Raises:
            StorageError: It is.
        """
        if self._trouble:
            raise StorageError(self._trouble, "Try again in a few seconds")
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put((action, done))
        return await done

    def look(self) -> None:
        """See soon whether the database answers."""
        if self._waiting.empty():
            self.write(self._probe)

    def close(self, grace: float) -> None:
        """Write what is waiting, for ``grace`` seconds at most."""
        self._waiting.put(None)
        self._thread.join(grace)
        self._ending.set()
        self._thread.join(grace)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            action, done = item
            if done is None:
                self._until_it_works(action)
            else:
                self._once(action, done)

    def _once(self, action: Callable[[], Any], done: asyncio.Future[Any]) -> None:
        try:
            value, error = action(), None
        except Exception as caught:
            value, error = None, caught
            if isinstance(caught, StorageError):
                self._trouble = caught.message
                self.write(self._probe)  # tells when it is back
        loop = done.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, done, value, error)

    def _until_it_works(self, action: Callable[[], Any]) -> None:
        tries = 0
        while not self._ending.is_set():
            try:
                action()
                self._trouble = ""
                return
            except StorageError as error:
                if not self._trouble:
                    logger.warning("%s", error)
                self._trouble = error.message
                self._ending.wait(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1
            except Exception:
                logger.exception("a job could not be written down")
                return


def _settle(done: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(value)
    else:
        done.set_exception(error)
