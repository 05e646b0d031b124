"""No program outlives the test that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import running

_PARENT = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.stdin.read()"


def alive(pid: int) -> bool:
    """Return whether a process runs; one that was killed and that nobody has buried doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_failing_test_leaves_no_process() -> None:
    def fail() -> None:
        command = [sys.executable, "-c", _PARENT]
        with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as job:
            assert job.stdout is not None
            pids.extend([job.pid, int(job.stdout.readline())])
            assert all(map(alive, pids))
            raise AssertionError("the test failed")

    pids: list[int] = []
    with pytest.raises(AssertionError, match="the test failed"):
        fail()
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(alive, pids))


def test_interrupts_reach_a_program_whatever_this_process_does_with_them() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with running(["sleep", "600"]) as job:
            os.kill(job.pid, signal.SIGINT)
            assert job.wait(10) == -signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)


def test_programs_are_started_in_one_place_only() -> None:
    root = Path(__file__).parent
    starting = {path.name for path in root.rglob("*.py") if "Popen(" in path.read_text() and path != Path(__file__)}
    assert starting == {"processes.py"}
