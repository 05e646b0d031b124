"""What a server takes of the machine while it works: memory, files, processes, time to answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import httpx2
import psutil

_MEGABYTE = 1e6
_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Sample:
    """A server at one moment; memory in megabytes.

    Attributes:
        minute: Since the beginning.
        server: What the server's own process would give back (USS).
        parent: The same of the process that workers are forked from.
        workers: The same of all workers.
        all: Of all of them, what is shared counted once (PSS).
        processes: How many there are.
        files: How many files and connections they hold open.
        threads: Of all processes.
        shared: What lies in ``/dev/shm``.
        data: What lies in the server's folder.
        health: Milliseconds until ``/health`` answered.
        healthy: Whether it answered that all is well.
    """

    minute: float
    server: float
    parent: float
    workers: float
    all: float
    processes: float
    files: float
    threads: float
    shared: float
    data: float
    health: float
    healthy: bool


FIGURES = tuple(each.name for each in fields(Sample) if each.name not in ("minute", "healthy"))


class Watcher:
    """Takes samples of a server.

    Args:
        server: The number of its process.
        address: Where it answers.
        folder: Its data.
    """

    def __init__(self, server: int, address: str, folder: Path) -> None:
        self._server = psutil.Process(server)
        # One client for all: making one takes longer than the answer.
        self._http = httpx2.Client(base_url=address, timeout=60, trust_env=False)
        self._folder = folder
        self._begun = time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def take(self) -> Sample:
        """Return the server as it is now."""
        family = {"server": [self._server], "parent": [], "workers": []}
        with suppress(psutil.Error):
            for child in self._server.children():
                family["parent"].append(child)
                family["workers"] += child.children(recursive=True)
        everybody = [each for some in family.values() for each in some]
        begun = time.perf_counter()
        answer = self._http.get("/health")
        took = time.perf_counter() - begun
        return Sample(
            minute=(time.monotonic() - self._begun) / 60,
            server=_memory(family["server"], "uss"),
            parent=_memory(family["parent"], "uss"),
            workers=_memory(family["workers"], "uss"),
            all=_memory(everybody, "pss"),
            processes=len(everybody),
            files=_sum(everybody, lambda process: process.num_fds()),
            threads=_sum(everybody, lambda process: process.num_threads()),
            shared=_bytes_below(_SHARED_MEMORY) / _MEGABYTE,
            data=_bytes_below(self._folder) / _MEGABYTE,
            health=1000 * took,
            healthy=answer.status_code == 200,
        )


def slope(samples: Sequence[Sample], figure: str) -> float:
    """Return by how much a figure grows in an hour: the line that fits the samples best."""
    hours = [sample.minute / 60 for sample in samples]
    values = [float(getattr(sample, figure)) for sample in samples]
    middle, mean = sum(hours) / len(hours), sum(values) / len(values)
    spread = sum((hour - middle) ** 2 for hour in hours)
    if not spread:
        return 0.0
    return sum((hour - middle) * (value - mean) for hour, value in zip(hours, values, strict=True)) / spread


def _memory(processes: Sequence[psutil.Process], kind: str) -> float:
    return _sum(processes, lambda process: getattr(process.memory_full_info(), kind)) / _MEGABYTE


def _sum(processes: Sequence[psutil.Process], figure: Callable[[psutil.Process], float]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            total += figure(process)
    return total


def _bytes_below(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # which passes over what vanishes meanwhile; rglob raises an error
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total
