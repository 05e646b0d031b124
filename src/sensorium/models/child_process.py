"""Downloads run in child processes: a child can be stopped at once, whatever it waits for."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sensorium.progress import Cancellation, check_cancelled
from sensorium.unfinished import temporary_folder

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Ended:
    """How a child ended: whether it succeeded, and what it wrote to stdout and stderr."""

    success: bool
    output: str
    complaint: str


def run_child(
    command: Sequence[str],
    *,
    watch: Callable[[str], None],
    cancel: Cancellation | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command to its end.

    Args:
        command: The program and its arguments; no shell is involved.
        watch: Called several times a second with the output so far.
        cancel: Kills the child.
        environment: The child's environment; by default this process's own.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    with temporary_folder("sensorium-child-") as folder:
        output, complaint = folder / "output", folder / "complaint"
        with output.open("wb") as stdout, complaint.open("wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment)
            try:
                while process.poll() is None:
                    check_cancelled(cancel)
                    watch(_text(output))
                    time.sleep(_POLL_SECONDS)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        return Ended(process.returncode == 0, _text(output), _text(complaint))


def folder_bytes(folder: Path) -> int:
    """Return how many bytes another process has put into a folder so far; a file that it is copying counts once."""
    sizes: dict[str, int] = {}
    # os.walk passes over folders that vanish meanwhile: the other process also clears up. Path.rglob raises an error.
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = (Path(place) / name).lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                sizes[name] = max(status.st_size, sizes.get(name, 0))
    return sum(sizes.values())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
