"""Waiting for a model that another call is using."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sensorium.progress import Cancellation, check_cancelled

_PATIENCE_SECONDS = 0.1


@contextmanager
def holding(lock: threading.Lock, cancel: Cancellation | None) -> Iterator[None]:
    """Hold a lock that other calls may hold for a long time; waiting for it can be cancelled.

    Raises:
        CancelledError: ``cancel`` was set before the lock was free.
    """
    while not lock.acquire(timeout=_PATIENCE_SECONDS):
        check_cancelled(cancel)
    try:
        yield
    finally:
        lock.release()
