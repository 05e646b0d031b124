"""Programs that tests start beside themselves: they end with the test, whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SENSORIUM = (sys.executable, "-m", "sensorium")

_TELLING = """
import sys
from sensorium.cli import main
from sensorium.cli.terminal import Terminal

stage, file = sys.argv[1:3]
show = Terminal.progress

def progress(self, event):
    if event.stage == stage and event.done:
        open(file, "w").close()
    show(self, event)

Terminal.progress = progress
sys.argv[1:] = sys.argv[3:]
main()
"""


@contextmanager
def running(command: Sequence[str | os.PathLike[str]], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program; at the end of the block it, and all that it started, is killed if it still runs.

    Ctrl-C works in it even where whoever started the tests ignores it, as a shell does for its background jobs.

    Args:
        command: The program and its arguments.
        options: Further arguments of ``subprocess.Popen``.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is ignored here, a child would ignore too
    try:
        job: subprocess.Popen[Any] = subprocess.Popen(command, start_new_session=True, **options)
    finally:
        signal.signal(signal.SIGINT, before)
    with job:
        try:
            yield job
        finally:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)


def telling(stage: str, file: Path) -> list[str]:
    """Return how to run ``sensorium`` so that ``file`` appears once that stage of the work has made some progress."""
    return [sys.executable, "-c", _TELLING, stage, str(file)]


def wait_for(file: Path, job: subprocess.Popen[Any], seconds: float = 120) -> None:
    """Wait until a running program has made a file."""
    begun = time.monotonic()
    while not file.exists():
        assert job.poll() is None, "it ended"
        assert time.monotonic() - begun < seconds, f"no {file.name} after {seconds} seconds"
        time.sleep(0.01)
