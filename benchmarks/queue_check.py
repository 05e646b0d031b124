"""Does the simulation of the queue say what happens? A server, asked at random moments, beside the simulation of it.

``sensorium serve`` on this machine paints pictures, one at a time, for requests that come as a Poisson process (seeded,
some seconds long). The jobs tell when they came, began and ended. The same arrivals are then simulated twice: with the
seconds that each job ran, and with the mean of a few jobs that ran before, alone, as one would plan.

    python -m benchmarks.queue_check [--seconds 25] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.__main__ import table as as_table
from benchmarks.measure import machine, quantile, row
from benchmarks.scaling.autoscaling import Autoscaling
from benchmarks.scaling.simulation import Cluster, Simulation
from benchmarks.scaling.traffic import Arrival, Work
from benchmarks.served import sensorium_serve

UTILISATION = 0.7
_ALONE = 10
_STEPS = 1
_API = "/v1/sensorium"
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Waits:
    """How long requests waited, in seconds."""

    mean: float
    half: float
    most: float

    @classmethod
    def of(cls, waits: Sequence[float]) -> Waits:
        """Return mean, median and 95th percentile."""
        return cls(statistics.fmean(waits), quantile(waits, 0.5), quantile(waits, 0.95))

    def __str__(self) -> str:
        return f"mean {self.mean:.2f} s, half {self.half:.2f} s, 95 of 100 {self.most:.2f} s"


@dataclass(frozen=True)
class Check:
    """What came out.

    Attributes:
        requests: How many there were.
        seconds: From the first to the last.
        alone: Seconds that a job ran with no other beside it, on average, measured before.
        ran: Seconds that a job ran, on average.
        measured: How long they waited.
        simulated: The same, simulated with the seconds that each job ran.
        planned: The same, simulated with the seconds of jobs that ran alone, all alike.
    """

    requests: int
    seconds: float
    alone: float
    ran: float
    measured: Waits
    simulated: Waits
    planned: Waits


def check(seconds: float, seed: int = 1) -> Check:
    """Ask a server for so many seconds, and simulate it."""
    with tempfile.TemporaryDirectory() as folder, sensorium_serve(Path(folder)) as (address, _):
        alone, jobs = asyncio.run(_asked(address, seconds, seed))
    jobs = sorted(jobs, key=lambda job: job["created"])
    first = jobs[0]["created"]
    came = [job["created"] - first for job in jobs]
    ran = [job["ended"] - job["started"] for job in jobs]
    return Check(
        len(jobs),
        came[-1],
        alone,
        statistics.fmean(ran),
        Waits.of([job["started"] - job["created"] for job in jobs]),
        _simulated(came, ran),
        _simulated(came, [alone] * len(jobs)),
    )


def _simulated(came: Sequence[float], ran: Sequence[float]) -> Waits:
    work = Work("imagine", "painter", statistics.fmean(ran))
    cluster = Cluster({"painter": Autoscaling(1, 1)}, {"painter": 0.0}, queue=len(came))
    requests = [Arrival(time, work, seconds) for time, seconds in zip(came, ran, strict=True)]
    outcome = Simulation(cluster, sample_seconds=0).run(requests, came[-1] + sum(ran) + 1)
    return Waits.of(outcome.waits)


async def _asked(address: str, seconds: float, seed: int) -> tuple[float, list[dict[str, Any]]]:
    async with httpx2.AsyncClient(base_url=address, timeout=_PATIENCE_SECONDS, trust_env=False) as http:
        for warm in range(2):
            await _done(http, await _submitted(http, warm))
        lonely = [await _done(http, await _submitted(http, number)) for number in range(_ALONE)]
        alone = statistics.fmean(job["ended"] - job["started"] for job in lonely)
        chance, submitting = random.Random(seed), []
        end = time.monotonic() + seconds
        while True:
            await asyncio.sleep(chance.expovariate(UTILISATION / alone))
            if time.monotonic() > end:
                break
            submitting.append(asyncio.create_task(_submitted(http, len(submitting))))
        names = await asyncio.gather(*submitting)
        return alone, [await _done(http, name) for name in names]


async def _submitted(http: httpx2.AsyncClient, number: int) -> str:
    body = {"prompt": "a red apple on a table", "seed": number, "steps": _STEPS}
    answer = await http.post(f"{_API}/imagine?background=true", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


async def _done(http: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    """Return a job once it has ended: the stream of its events is over then."""
    async with http.stream("GET", f"{_API}/jobs/{name}/events") as events:
        async for _ in events.aiter_bytes():
            pass
    job: dict[str, Any] = (await http.get(f"{_API}/jobs/{name}")).json()
    if job["state"] != "done":
        raise RuntimeError(f"a job ended as {job['state']}: {job['error']}")
    return job


def rows(found: Check) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    question = f"{found.requests} pictures asked for in {found.seconds:.0f} s at random moments: seconds they waited"
    return [
        row(
            question,
            f"simulated with the seconds that each ran: {found.simulated}",
            f"measured: {found.measured}",
            note=f"a picture takes {found.alone:.3f} s alone, and took {found.ran:.3f} s",
        ),
        row(question, f"simulated with the seconds of a picture alone: {found.planned}", f"measured: {found.measured}"),
    ]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue_check", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    about, found = machine(), check(options.seconds)
    print(about)
    print(as_table(rows(found)))
    if options.json is not None:
        document = {"machine": about, "date": time.strftime("%Y-%m-%d"), "check": asdict(found)}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
