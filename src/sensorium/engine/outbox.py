"""What a worker has to tell its engine, on its way out."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from sensorium.engine.wire import FromWorker, line_of

_FULL = 32 << 20
_APART = 0.1

logger = logging.getLogger(__name__)


class Connection(Protocol):
    """Where an outbox writes to."""

    def write(self, line: bytes, /) -> object:
        """Take one message; may wait."""

    def flush(self) -> object:
        """Let what was written go out."""


class Outbox:
    """Sends messages in their order, from a thread of its own, so that nobody waits for the engine to read.

    Its size is bounded: of the messages that replace each other only the latest waits; those that a call may tell
    without end wait for room; of all others there are a few a call.

    Args:
        connection: Where the messages are written to.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._latest: dict[tuple[str, str], Callable[[], FromWorker]] = {}
        self._due: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="sensorium-outbox", daemon=True)
        self._thread.start()

    def send(self, message: FromWorker, *, patient: bool = False) -> None:
        """Send a message.

        Args:
            message: What to send.
            patient: Wait for room first.

        Raises:
            ValueError: JSON doesn't know what it holds.
            TypeError: Likewise.
        """
        line = line_of(message)
        with self._changed:
            while patient and self._waiting > _FULL and not self._closed:
                self._changed.wait()
            self._put(line)

    def send_latest(self, call: str, kind: str, make: Callable[[], FromWorker]) -> None:
        """Send a message that replaces earlier ones of its call and kind, ten times a second at most.

        Args:
            call: The call that it is about.
            kind: What it replaces.
            make: Makes the message, if it is sent at all.
        """
        with self._changed:
            self._latest[call, kind] = make
            self._changed.notify_all()

    def finish(self, call: str) -> None:
        """Send at once what waits of a call's replaceable messages, before whatever is sent next."""
        with self._changed:
            keys = [key for key in self._latest if key[0] == call]
            makers = [self._latest.pop(key) for key in keys]
            for key in [key for key in self._due if key[0] == call]:
                del self._due[key]
        for make in makers:
            line = _line(make)
            with self._changed:
                self._put(line)

    def close(self, seconds: float) -> None:
        """Send what is there, for so many seconds at most, and take no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(seconds)

    def _put(self, line: bytes) -> None:
        self._lines.append(line)
        self._waiting += len(line)
        self._changed.notify_all()

    def _write(self) -> None:
        try:
            while (line := self._next()) is not None:
                self._connection.write(line)
                self._connection.flush()
        except (OSError, ValueError):
            pass  # the engine is gone; whoever reads from it ends this process
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _next(self) -> bytes | None:
        with self._changed:
            while True:
                if self._lines:
                    line = self._lines.popleft()
                    self._waiting -= len(line)
                    self._changed.notify_all()
                    return line
                now = time.monotonic()
                key = min(self._latest, key=lambda each: self._due.get(each, 0.0), default=None)
                if key is not None and self._due.get(key, 0.0) <= now:
                    make = self._latest.pop(key)
                    self._due[key] = now + _APART
                    break
                if self._closed:
                    return None
                self._changed.wait(None if key is None else self._due[key] - now)
        return _line(make)


def _line(make: Callable[[], FromWorker]) -> bytes:
    try:
        return line_of(make())
    except Exception:  # a preview that can't be encoded stops nobody
        logger.exception("An event can't be told")
        return b""
