"""Makes Ctrl-C work at once: commands run in a second thread, and the main thread only waits.

Python's signal handler can't interrupt a model that computes in C, but it can interrupt a main thread that waits.
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
"""Set by Ctrl-C; commands pass it to every long call."""

_GRACE_SECONDS = 3.0

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


class _Job(threading.Thread):
    """The thread of a command. It is a daemon thread, so the program can end although a model still computes."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(name="sensorium-command", daemon=True)
        self._work = work
        # Waited for instead of the thread itself: before Python 3.13, a `join` that Ctrl-C interrupts takes the thread
        # for ended, and the program would leave it in the middle of its work.
        self.ended = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # passed on to the main thread, whatever it is
            self.error = error
        finally:
            self.ended.set()


def interruptible(work: Callable[[], Result]) -> Result:
    """Run ``work`` so that Ctrl-C stops it cleanly. If ``work`` doesn't stop, Ctrl-C ends the program.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C, and ``work`` has stopped.
    """
    if isinstance(threading.current_thread(), _Job):
        return work()
    cancel.clear()
    job = _Job(work)
    try:
        job.start()
        while not job.ended.wait(0.2):
            pass  # Wait with a timeout: on Windows, a wait without one can't be interrupted.
    except KeyboardInterrupt:
        cancel.set()
        _end_within_grace()
        raise
    job.join()
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
    """End the program at once if a command still computes; a normal exit would wait for that command, or crash."""
    nested = isinstance(threading.current_thread(), _Job)
    if not nested and any(isinstance(thread, _Job) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        # Files get their names only when they are complete, so no incomplete file is left.
        os._exit(code)


def _end_within_grace() -> None:
    try:
        for thread in threading.enumerate():
            if isinstance(thread, _Job) and thread.ended.wait(_GRACE_SECONDS):
                thread.join()
    except KeyboardInterrupt:
        end_program(CANCELLED)
