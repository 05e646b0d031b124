"""Ctrl-C that works at once: commands run in a thread of their own, and the main thread waits for it.

A model that computes in C can't be interrupted by Python's signal handler; a main thread that only waits can.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from typing_extensions import ParamSpec

from sensorium.cli.exit_codes import CANCELLED
from sensorium.errors import CancelledError

cancel = threading.Event()
"""Set by Ctrl-C; commands hand it to every long call."""

_GRACE_SECONDS = 5.0
_NAME = "sensorium-command"

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


def interruptible(work: Callable[[], Result]) -> Result:
    """Run ``work`` so that Ctrl-C stops it cleanly, or ends the program where it doesn't stop.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C, and ``work`` has stopped.
    """
    if threading.current_thread().name.startswith(_NAME):
        return work()
    cancel.clear()
    job = _worker().submit(work)
    try:
        return _wait(job)
    except CancelledError:
        if cancel.is_set():
            raise KeyboardInterrupt from None
        raise
    except KeyboardInterrupt:
        cancel.set()
        _end_within_grace(job)
        raise


def command(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a whole command `interruptible`."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return interruptible(lambda: function(*args, **kwargs))

    return run


@functools.cache
def _worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=_NAME)


def _wait(job: Future[Result]) -> Result:
    while True:
        try:
            # Waiting in slices: on Windows a wait without end can't be interrupted.
            return job.result(timeout=0.2)
        except FutureTimeoutError:
            if job.done():
                raise


def _end_within_grace(job: Future[Result]) -> None:
    try:
        job.exception(timeout=_GRACE_SECONDS)
    except (FutureTimeoutError, KeyboardInterrupt):
        # It computes on and can't be stopped from here. Files appear under their names only when they are
        # complete, so ending the process leaves nothing half-written.
        print("Cancelled.", file=sys.stderr, flush=True)
        os._exit(CANCELLED)
