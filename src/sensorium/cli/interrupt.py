"""Makes Ctrl-C, SIGTERM and SIGHUP work at once: commands run in a second thread, the main thread only waits.

Python's signal handler can't interrupt a model that computes in C, but it can interrupt a main thread that waits.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from sensorium.cli.exit_codes import CANCELLED
from sensorium.unfinished import remove_unfinished

cancel = threading.Event()
"""Set by Ctrl-C, SIGTERM and SIGHUP; commands pass it to every long call."""

_GRACE_SECONDS = 3.0
"""How long a command may take to end by itself."""

_ENDING = ("SIGTERM", "SIGHUP")

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


class TerminatedError(KeyboardInterrupt):
    """The program shall end: its terminal was closed, or a service stops it. A user's Ctrl-C may mean less."""


def listen_to_signals() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, except where whoever started the program ignores them (nohup)."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _ENDING:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


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


def interruptible(work: Callable[[], Result], grace: float = _GRACE_SECONDS) -> Result:
    """Run ``work`` so that Ctrl-C stops it cleanly. If ``work`` doesn't stop, Ctrl-C ends the program.

    Args:
        work: What to do; it looks at `cancel`.
        grace: Seconds in which it may end by itself; a second Ctrl-C ends them.

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
        _end_within(job, grace)
        raise
    job.join()
    if job.error is not None:
        raise job.error
    result: Result = job.result
    return result


def command(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a whole command `interruptible`."""
    return command_ending_within(_GRACE_SECONDS)(function)


def command_ending_within(grace: float) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Make a whole command `interruptible` that needs its time to keep what it has done."""

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @functools.wraps(function)
        def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            return interruptible(lambda: function(*args, **kwargs), grace)

        return run

    return decorate


def end_program(code: int) -> None:
    """End the program at once if a command still computes; a normal exit would wait for that command, or crash."""
    nested = isinstance(threading.current_thread(), _Job)
    if not nested and any(isinstance(thread, _Job) for thread in threading.enumerate()):
        _leave(code)


def end_cancelled_program() -> None:
    """End the program at once if a thread may still compute for the command that was cancelled.

    Python waits at its end for the threads of every pool, daemons or not.
    """
    if threading.active_count() > 1:
        _leave(CANCELLED)


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the terminal was closed
            stream.flush()
    # Files get their names only when they are complete, so no incomplete file is left but those with other names.
    remove_unfinished()
    os._exit(code)


def _end_within(job: _Job, grace: float) -> None:
    try:
        ended = job.ended.wait(min(grace, _GRACE_SECONDS))
        if not ended and grace > _GRACE_SECONDS:
            print("Keeping what is finished; Ctrl-C again ends at once.", file=sys.stderr, flush=True)
            ended = job.ended.wait(grace - _GRACE_SECONDS)
        if ended:
            job.join()
    except KeyboardInterrupt:
        end_program(CANCELLED)
