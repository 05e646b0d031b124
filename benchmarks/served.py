"""Servers as programs of their own, and many clients that ask them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.measure import quantile
from tests.processes import running

_ADDRESS = re.compile(rb"http://[\w.\[\]:]+:\d+")


@contextmanager
def sensorium_serve(data: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """Run ``sensorium serve``; give its address and its process.

    Args:
        data: Its folder.
        options: Of the command.
    """
    command = [sys.executable, "-m", "sensorium", "serve", "--port", "0", "--data", str(data), *options]
    with listening(command) as found:
        yield found


@contextmanager
def plain_fastapi(model: str) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """Run the same model behind a plain FastAPI handler; give its address and its process."""
    with listening([sys.executable, "-m", "benchmarks.plain_fastapi", model]) as found:
        yield found


@dataclass(frozen=True)
class Load:
    """What many clients got that asked at the same time.

    Attributes:
        seconds: From the first request to the last answer.
        latencies: Seconds of each request.
        cpu: Seconds of the processors that the server and its workers took.
    """

    seconds: float
    latencies: Sequence[float]
    cpu: float

    @property
    def cpu_each(self) -> float:
        """Seconds of the processors for each request."""
        return self.cpu / len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def __str__(self) -> str:
        half, most = (1000 * quantile(self.latencies, share) for share in (0.5, 0.95))
        return f"{self.rate:.1f} requests/s (median {half:.0f} ms, 95 % within {most:.0f} ms)"


def ask_together(address: str, bodies: Sequence[Sequence[bytes]], server: int) -> Load:
    """Let clients ask at the same time, each its own requests one after the other.

    Args:
        address: Where they ask.
        bodies: The requests of each client.
        server: The number of its process.

    Raises:
        RuntimeError: A request was refused.
    """
    before = processor_seconds(server)
    took, latencies = asyncio.run(_ask_together(address, bodies))
    return Load(took, latencies, processor_seconds(server) - before)


def processor_seconds(pid: int) -> float:
    """Return what a process and those that it has started have taken of the processors so far."""
    process, total = psutil.Process(pid), 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total


async def _ask_together(address: str, bodies: Sequence[Sequence[bytes]]) -> tuple[float, list[float]]:
    latencies: list[float] = []
    limits = httpx2.Limits(max_connections=len(bodies), max_keepalive_connections=len(bodies))
    headers = {"content-type": "application/json"}
    async with httpx2.AsyncClient(limits=limits, timeout=600, trust_env=False) as http:

        async def client(own: Sequence[bytes]) -> None:
            for body in own:
                begun = time.perf_counter()
                answer = await http.post(address, content=body, headers=headers)
                if answer.status_code != 200:
                    raise RuntimeError(f"{address} was answered with {answer.status_code}: {answer.text[:500]}")
                latencies.append(time.perf_counter() - begun)

        begun = time.perf_counter()
        async with asyncio.TaskGroup() as clients:
            for own in bodies:
                clients.create_task(client(own))
        return time.perf_counter() - begun, latencies


@contextmanager
def listening(command: Sequence[str]) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    with (
        tempfile.NamedTemporaryFile() as said,  # a pipe would fill, since nobody reads it later
        running(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL) as process,
    ):
        while (found := _ADDRESS.search(text := Path(said.name).read_bytes())) is None:
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(command[:4])} ended: {text.decode(errors='replace')[-500:]}")
            time.sleep(0.02)
        yield found.group().decode(), process
