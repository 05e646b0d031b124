"""Time, processor time and the machine's own limits."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def row(question: str, ours: str, peer: str = "", ratio: float | None = None, note: str = "") -> dict[str, Any]:
    """Return one line of the table.

    Args:
        question: What was measured.
        ours: Sensorium's figure, with its unit.
        peer: The peer's name and figure; "" where there is none.
        ratio: How many times better ours is: above 1 is faster, or more; None where there is no peer.
        note: What a reader must know to judge it.
    """
    return {"question": question, "ours": ours, "peer": peer, "ratio": ratio, "note": note}


def cache_folder(name: str) -> Path:
    """Return a folder for data that is made once: below ``SENSORIUM_BENCHMARK_CACHE``, or in the user's cache."""
    chosen = os.environ.get("SENSORIUM_BENCHMARK_CACHE")
    root = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "sensorium-benchmarks"
    folder = root.expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class ProcessTime:
    """How long something took: on the clock, and of the processors."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s ({self.cpu:.2f} s CPU)"


def process_time(
    command: Sequence[str | Path], *, runs: int = 3, prepare: Callable[[], object] | None = None
) -> ProcessTime:
    """Run a command several times and return the least it took, on the clock and of the processors.

    Args:
        command: What to run.
        runs: How often.
        prepare: Called before each run, and not timed.

    Raises:
        RuntimeError: The command failed.
    """
    best: ProcessTime | None = None
    for _ in range(runs):
        if prepare is not None:
            prepare()
        before = os.times()
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        wall = time.perf_counter() - start
        after = os.times()
        if done.returncode != 0:
            words = " ".join(map(str, command))
            raise RuntimeError(f"{words!r} failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        best = ProcessTime(min(wall, best.wall), min(cpu, best.cpu)) if best else ProcessTime(wall, cpu)
    assert best is not None
    return best


def matrix_rate(size: int = 2048, tries: int = 5) -> float:
    """Return the best rate of a float32 matrix product on the threads that Sensorium uses, in operations a second."""
    import torch

    from sensorium.models.device import prepare_torch

    prepare_torch()
    left, right = torch.rand(size, size), torch.rand(size, size)
    left @ right
    return 2 * size**3 / min(seconds(lambda: left @ right) for _ in range(tries))


def machine() -> str:
    """Describe the machine in a line: cores, threads in use, matrix rate, and how busy it is."""
    from sensorium.threads import thread_count

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{os.cpu_count()} processors, {thread_count()} threads in use, "
        f"float32 matrix product {matrix_rate() / 1e9:.0f} GFLOP/s, load {load:.1f} before the start, "
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
