"""Ctrl-C that works at once: commands run in a thread of their own, and the main thread waits for it.

A model that computes in C can't be interrupted by Python's signal handler; a main thread that only waits can.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from sensorium.cli.exit_codes import CANCELLED

cancel = threading.Event()
"""Set by Ctrl-C; commands hand it to every long call."""

_GRACE_SECONDS = 3.0

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


class _Job(threading.Thread):
    """A daemon thread, so that a model that computes on can't keep the program from ending."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(name="sensorium-command", daemon=True)
        self._work = work
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # handed to the main thread, whatever it is
            self.error = error


def interruptible(work: Callable[[], Result]) -> Result:
    """Run ``work`` so that Ctrl-C stops it cleanly, or ends the program where it doesn't stop.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C, and ``work`` has stopped.
    """
    if isinstance(threading.current_thread(), _Job):
        return work()
    cancel.clear()
    job = _Job(work)
    try:
        job.start()
        while job.is_alive():
            # Waiting in slices: on Windows a wait without end can't be interrupted.
            job.join(0.2)
    except KeyboardInterrupt:
        cancel.set()
        _end_within_grace()
        raise
    if job.error is not None:
        raise job.error
    result: Result = job.result
    return result


def command(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a whole command `interruptible`."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return interruptible(lambda: function(*args, **kwargs))

    return run


def end_program(code: int) -> None:
    """End the program at once if a command still computes, which the usual way out would wait for or crash on."""
    nested = isinstance(threading.current_thread(), _Job)
    if not nested and any(isinstance(thread, _Job) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        # Files appear under their names only when they are complete, so nothing half-written is left.
        os._exit(code)


def _end_within_grace() -> None:
    try:
        for thread in threading.enumerate():
            if isinstance(thread, _Job):
                thread.join(_GRACE_SECONDS)
    except KeyboardInterrupt:
        end_program(CANCELLED)
