"""One thread that writes to the job database, in order, so that a slow or absent database never holds up the engine."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from sensorium.engine.database import SLOW
from sensorium.errors import StorageError

logger = logging.getLogger("sensorium.engine")

_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between the tries to write what must not be lost; the last one is repeated."""
_LONG_SECONDS = 3.0
"""After so long, something that is being written is taken as a sign that the database hangs."""
_LONGEST_SECONDS = 8.0
"""How long anybody waits for the database; longer than its wait for a lock that another program holds."""
_AGAIN = "Try again in a few seconds"


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
        self._begun: float | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sensorium-job-writer", daemon=True)

    @property
    def trouble(self) -> str:
        """Why the database can't be written to, in a sentence; "" if it can."""
        begun = self._begun
        hangs = begun is not None and time.monotonic() - begun > _LONG_SECONDS
        return self._trouble or (SLOW if hangs else "")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def write(self, action: Callable[[], Any]) -> None:
        """Write as soon as possible, and again until it has worked."""
        self._waiting.put((action, None))

    async def write_now(self, action: Callable[[], Any]) -> Any:
        """Write, and return what the action returns; fails at once where the database is away.

        Raises:
            StorageError: It is; or it takes so long that nobody knows whether the action will be done.
        """
        self.require_working()
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put((action, done))
        try:
            return await asyncio.wait_for(done, _LONGEST_SECONDS)
        except TimeoutError:
            raise StorageError(SLOW, _AGAIN) from None

    def require_working(self) -> None:
        """Refuse what needs the database, if it is known to be away.

        Raises:
            StorageError: It is.
        """
        if trouble := self.trouble:
            raise StorageError(trouble, _AGAIN)

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
            elif not done.cancelled():
                self._once(action, done)

    def _once(self, action: Callable[[], Any], done: asyncio.Future[Any]) -> None:
        try:
            self.require_working()  # others wait for their answers too
            value, error = self._timed(action), None
        except Exception as caught:
            value, error = None, caught
            if isinstance(caught, StorageError) and not self._trouble:
                self._trouble = caught.message
                self.write(self._probe)  # tells when it is back
        loop = done.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, done, value, error)

    def _until_it_works(self, action: Callable[[], Any]) -> None:
        tries = 0
        while not self._ending.is_set():
            try:
                self._timed(action)
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

    def _timed(self, action: Callable[[], Any]) -> Any:
        self._begun = time.monotonic()
        try:
            return action()
        finally:
            self._begun = None


def _settle(done: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(value)
    else:
        done.set_exception(error)
