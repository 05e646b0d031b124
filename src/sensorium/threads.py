"""How many threads a computation uses."""

from __future__ import annotations

import math
import os
import sys
from functools import cache
from pathlib import Path

from sensorium import settings

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@cache
def thread_count() -> int:
    """Return how many compute threads to use: one per physical core that this process, or its container, may use.

    With more threads than cores, generation takes three times as long. ``SENSORIUM_THREADS`` sets another number.

    Raises:
        InputError: ``SENSORIUM_THREADS`` is not a number of threads.
    """
    chosen = settings.threads()
    if chosen is not None:
        return chosen
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.is_file() else str(cpu))
    return max(1, min(len(cores), _container_share()))


def _container_share() -> int:
    """Return the number of cores that the container may use, as set by ``docker run --cpus``, rounded up."""
    try:
        quota, period = _CPU_QUOTA.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return sys.maxsize
