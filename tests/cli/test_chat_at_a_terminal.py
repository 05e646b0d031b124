"""``sensorium chat`` as a person uses it: at a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from select import select


class _Screen:
    """A terminal of its own, with a command running in it."""

    def __init__(self, *arguments: str) -> None:
        self._end, child = pty.openpty()
        self._job = subprocess.Popen(
            [sys.executable, "-m", "sensorium", *arguments],
            stdin=child,
            stdout=child,
            stderr=child,
            close_fds=True,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(child)
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
        code = self._job.wait(60)
        os.close(self._end)
        return code


def test_a_conversation(desk: Path) -> None:
    screen = _Screen("chat", "cat.jpg")
    assert "Ctrl-D ends" in screen.wait_for(r"> $")
    screen.type("What animal is it?\n")
    assert "cat" in screen.wait_for(r"\n> $").lower()
    screen.type("这是什么？\n")
    assert "Error:" in screen.wait_for(r"\n> $")
    screen.type("\x04")
    assert screen.end() == 1  # one question was refused
