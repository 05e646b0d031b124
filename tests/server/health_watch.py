"""Asks a server's ``/health`` again and again, as a program of its own: a test's own work must not slow it down.

Run as a program: ``python -m tests.server.health_watch ADDRESS FILE``; it asks until its standard input closes, and
writes what it has seen to the file.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.processes import running

_APART = 0.1
_PATIENCE_SECONDS = 30.0
_LOST_SECONDS = 3.0
"""As Kubernetes has it unless told otherwise: an answer within a second, missed three times in a row."""


class HealthWatch:
    """What ``/health`` has answered.

    Args:
        file: Where the program writes it to.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def answers(self) -> list[dict[str, Any]]:
        """All answers: ``seconds``, and ``status``, which is None if none came."""
        return [json.loads(line) for line in self._file.read_text().splitlines()]

    def assert_answered_in_time(self) -> None:
        """See that nobody who watches over the server would have taken it for dead."""
        answers = self.answers
        assert answers, "nobody has asked"
        assert all(each["status"] in (200, 503) for each in answers), answers
        late = [each for each in answers if each["seconds"] > _LOST_SECONDS]
        assert not late, f"{len(late)} of {len(answers)} answers were late: {late[:3]}"


@contextmanager
def health_watched(address: str, file: Path) -> Iterator[HealthWatch]:
    """Watch a server's health during the block, at the end of which every question must have been answered in time."""
    command = [sys.executable, "-m", "tests.server.health_watch", address, str(file)]
    with running(command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdin is not None
        while not file.exists():
            assert process.poll() is None
            time.sleep(0.01)
        watch = HealthWatch(file)
        yield watch
        process.stdin.close()
        assert process.wait(_PATIENCE_SECONDS + 10) == 0
    watch.assert_answered_in_time()


def main() -> None:
    """Ask until standard input closes."""
    address, file = sys.argv[1:]
    with suppress(OSError):
        os.nice(-15)  # a busy machine must not look like a busy server
    parts = urlsplit(address)
    assert parts.hostname is not None
    with Path(file).open("w", buffering=1) as report:
        while not select.select([sys.stdin], [], [], _APART)[0]:
            begun = time.monotonic()
            status = _asked(parts.hostname, parts.port or 80)
            seconds = round(time.monotonic() - begun, 3)
            report.write(json.dumps({"seconds": seconds, "status": status}) + "\n")


def _asked(host: str, port: int) -> int | None:
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


if __name__ == "__main__":
    main()
