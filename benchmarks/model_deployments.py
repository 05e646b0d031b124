"""What does a request cost that goes through Ray Serve, against the engine of one machine?

Both engines have the same queue; behind one is a process forked here, behind the other a deployment of Ray Serve on
this machine. One after the other they are asked the same: one request after the other, many at the same time, and the
first one when no process has the model. Of the deployment also: the memory of its process, and that it is gone once
nobody has asked for a while.

    python -m benchmarks.model_deployments [--requests 100]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.__main__ import table as as_table
from benchmarks.measure import machine, row
from sensorium.cluster.serving.deployment_pool import deployment_pool
from sensorium.cluster.serving.model_options import ModelDeploymentOptions
from sensorium.engine.engine import LocalEngine
from sensorium.engine.options import EngineOptions
from sensorium.engine.worker_process import clean_parent
from sensorium.engine.workers import WorkerPool
from sensorium.operations.registry import operation_named

REQUESTS = 100
TOGETHER = 32
IDLE_SECONDS = 5.0
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Found:
    """What was measured of an engine.

    Attributes:
        first: Seconds of the first request, when no process had the model.
        warm: Median seconds of a request after it.
        together: Seconds of many requests at the same time.
        memory: Bytes of the process that had the model.
        gone: Seconds without work until there was no process; None if that wasn't waited for.
        back: Seconds of the request after that.
    """

    first: float
    warm: float
    together: float
    memory: int
    gone: float | None = None
    back: float | None = None


async def measured(make_pool: Callable[..., Any], requests: int, *, goes: bool) -> Found:
    """Measure an engine.

    Args:
        make_pool: Makes its pool.
        requests: How many requests.
        goes: Whether to wait until the model has gone.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = EngineOptions(data=Path(folder), time_to_live=IDLE_SECONDS if goes else -1)
        engine = LocalEngine(options, pool=make_pool)
        await engine.start()
        try:
            texts = (f"a photo of {number} cats" for number in range(10**9))
            first = await timed(engine, next(texts))
            warm = statistics.median([await timed(engine, next(texts)) for _ in range(requests)])
            begun = time.monotonic()
            await asyncio.gather(*(timed(engine, next(texts)) for _ in range(TOGETHER)))
            together = time.monotonic() - begun
            (model,) = await engine.models()
            memory = psutil.Process(model.pid).memory_full_info().uss
            if not goes:
                return Found(first, warm, together, memory)
            begun = time.monotonic()
            while psutil.pid_exists(model.pid) and time.monotonic() - begun < _PATIENCE_SECONDS:
                await asyncio.sleep(0.1)
            gone = time.monotonic() - begun
            return Found(first, warm, together, memory, gone, await timed(engine, next(texts)))
        finally:
            await engine.close()


async def timed(engine: LocalEngine, text: str) -> float:
    """Return the seconds of one request."""
    begun = time.monotonic()
    job = await engine.submit(operation_named("embed").of({"texts": [text]}), durable=False)
    ended = await engine.result(job.id)
    assert ended.state == "done", ended.error
    return time.monotonic() - begun


@contextmanager
def local_ray() -> Iterator[None]:
    """Run Ray on this machine, with more CPUs than it has, so that nothing waits for one; no port is opened."""
    import ray
    from ray import serve

    folder = tempfile.mkdtemp(prefix="r")  # sockets lie in it, whose paths must be short
    ray.init(
        address="local",
        num_cpus=8,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=folder,
    )
    try:
        serve.start(proxy_location="Disabled")
        yield
        serve.shutdown()
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def run(requests: int = REQUESTS) -> list[dict[str, Any]]:
    """Measure both engines; return the rows."""
    clean_parent.start()
    local = asyncio.run(measured(WorkerPool, requests, goes=False))
    clean_parent.end()
    with local_ray():
        pool = deployment_pool(ModelDeploymentOptions(name="benchmark", replicas=1))
        cluster = asyncio.run(measured(pool, requests, goes=True))
    assert cluster.gone is not None
    assert cluster.back is not None
    name = "Ray Serve against a worker process"
    return [
        _row(f"{name}: a text embedded, one after the other", cluster.warm, local.warm, "median"),
        _row(
            f"{name}: {TOGETHER} at the same time", cluster.together, local.together, "in passes that the queue makes"
        ),
        _row(f"{name}: the first request", cluster.first, local.first, "process and model are started"),
        _row(
            f"{name}: the first request after the model has gone",
            cluster.back,
            local.first,
            f"a process of {cluster.memory / 1e6:.0f} MB was gone after {cluster.gone:.1f} s without work, "
            f"{IDLE_SECONDS:.0f} s of them its time to live",
        ),
    ]


def _row(question: str, ours: float, peer: float, note: str) -> dict[str, Any]:
    return row(question, _seconds(ours), f"a worker process: {_seconds(peer)}", peer / ours, note)


def _seconds(figure: float) -> str:
    return f"{figure * 1000:.1f} ms" if figure < 1 else f"{figure:.1f} s"


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_deployments", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    options = parser.parse_args()
    print(machine())
    print(as_table(run(options.requests)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
