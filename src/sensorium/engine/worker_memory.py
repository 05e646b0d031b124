"""How much memory a process takes: of the machine by the system's figures, of GPUs by the driver's."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import psutil

_FRESH_SECONDS = 1.0
_QUERY = ("--query-compute-apps=pid,used_gpu_memory", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class WorkerMemory:
    """What ending a process would give back.

    Attributes:
        main: Bytes of main memory that belong to it alone; what it shares with others doesn't count.
        gpu: Bytes of GPU memory.
    """

    main: int
    gpu: int


def memory_of(pid: int) -> WorkerMemory:
    """Return what a process and those that it has started take; nothing if it is gone."""
    family = []
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    main = 0
    for each in family:
        with suppress(psutil.Error):
            main += int(each.memory_full_info().uss)
    driver = _driver()
    gpu = driver.used_by_process() if driver is not None and family else Counter[int]()
    return WorkerMemory(main, sum(gpu[each.pid] for each in family))


class _Driver:
    """NVIDIA's tool; its answer is kept for a moment, because it is the same for all workers.

    Args:
        tool: Its path.
    """

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._answer: Counter[int] = Counter()
        self._asked = -_FRESH_SECONDS
        self._guard = threading.Lock()

    def used_by_process(self) -> Counter[int]:
        """Return bytes by process number. In a container the driver may know other numbers than we do."""
        with self._guard:
            if time.monotonic() - self._asked >= _FRESH_SECONDS:
                self._answer = self._ask()
                self._asked = time.monotonic()
            return self._answer

    def _ask(self) -> Counter[int]:
        found: Counter[int] = Counter()
        with suppress(OSError, subprocess.SubprocessError):
            answer = subprocess.run([self._tool, *_QUERY], capture_output=True, text=True, timeout=10, check=True)
            for line in answer.stdout.splitlines():
                pid, _, mebibytes = line.partition(",")
                if pid.strip().isdigit() and mebibytes.strip().isdigit():
                    found[int(pid)] += int(mebibytes) << 20
        return found


@cache
def _driver() -> _Driver | None:
    tool = shutil.which("nvidia-smi")
    return None if tool is None else _Driver(tool)
