"""A process that an engine has started, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import psutil


def python(module: str) -> Sequence[str]:
    """Return the command that runs ``main`` of a module; nothing is imported from the working folder."""
    return (sys.executable, "-P", "-c", f"from {module} import main; main()")


class Child:
    """A process; whoever started it tells its end by `has_ended`.

    Args:
        pid: Its number. It leads a process group of that number where there are such groups.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        """Its exit code once it has ended, negative for the signal that killed it; None if nobody knows."""
        self._ended = threading.Event()
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def has_ended(self, code: int | None) -> None:
        """Say that the process is gone."""
        if not self._ended.is_set():
            self.code = code
            self._ended.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the process is gone, or for so many seconds; return whether it is gone."""
        return self._ended.wait(seconds)

    def kill(self) -> None:
        """End the process at once, and what it started; nothing happens if it is gone."""
        if self._ended.is_set() or self._process is None:
            return
        with suppress(psutil.NoSuchProcess, OSError):
            if hasattr(os, "killpg") and self._process.is_running():  # it, and no later process with its number
                os.killpg(self.pid, signal.SIGKILL)
            else:
                for each in (*self._process.children(recursive=True), self._process):
                    each.kill()
