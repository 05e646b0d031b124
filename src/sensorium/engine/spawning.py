"""Workers that import anew what they need, in an interpreter of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import BinaryIO, cast

from sensorium.engine.child import Child, python


def spawn() -> tuple[Child, BinaryIO, BinaryIO]:
    """Start a worker; return it, what it says, and where to speak to it.

    Raises:
        OSError: The system allows no further process.
    """
    process = subprocess.Popen(
        python("sensorium.engine.worker"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    child = Child(process.pid)
    threading.Thread(target=_watch, args=(process, child), name=f"sensorium-watch-{child.pid}", daemon=True).start()
    return child, cast(BinaryIO, process.stdout), cast(BinaryIO, process.stdin)


def _watch(process: subprocess.Popen[bytes], child: Child) -> None:
    if hasattr(os, "waitid"):
        with suppress(OSError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            os.killpg(process.pid, signal.SIGKILL)  # what it started itself, while nobody else can have its number
    child.has_ended(process.wait())
