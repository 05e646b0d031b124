"""``sensorium chat`` as a person uses it: at a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

from tests.processes import SENSORIUM, running


class _Screen:
    """The side of a terminal that somebody looks at and types on, and the command that runs in it."""

    def __init__(self, end: int, job: subprocess.Popen[bytes]) -> None:
        self._end, self._job = end, job
        self.text = ""

    def wait_for(self, pattern: str, seconds: float = 120) -> str:
        """Read until a pattern appears after all that was read before; return what is new."""
        begun, start = time.monotonic(), len(self.text)
        while not re.search(pattern, self.text[start:]):
            assert time.monotonic() - begun < seconds, self.text
            if select([self._end], [], [], 1)[0]:
                self.text += os.read(self._end, 65536).decode(errors="replace")
        return self.text[start:]

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def end(self) -> int:
        return self._job.wait(60)


@contextmanager
def command_at_a_terminal(*arguments: str) -> Iterator[_Screen]:
    """Run a command in a terminal of its own."""
    end, child = pty.openpty()
    variables = {**os.environ, "TERM": "xterm"}
    try:
        with running(
            [*SENSORIUM, *arguments], stdin=child, stdout=child, stderr=child, close_fds=True, env=variables
        ) as job:
            os.close(child)
            yield _Screen(end, job)
    finally:
        os.close(end)


def test_a_conversation(desk: Path) -> None:
    with command_at_a_terminal("chat", "cat.jpg") as screen:
        assert "Ctrl-D ends" in screen.wait_for(r"> $")
        screen.type("What animal is it?\n")
        assert "cat" in screen.wait_for(r"\n> $").lower()
        screen.type("这是什么？\n")
        assert "猫" in screen.wait_for(r"\n> $")
        screen.type("Che cosa si vede nella foto?\n")
        assert "Error:" in screen.wait_for(r"\n> $")
        screen.type("\x04")
        assert screen.end() == 1  # one question was refused
