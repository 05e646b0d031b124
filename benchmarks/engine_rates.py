"""How many jobs a second go through the engine that do nothing, and what does each leave in the database?

In place of workers each job gets a made-up result at once (``tests/server/instant_server.py``). What is left is the
engine's own work for a job, which a cluster's keeper has too. Jobs that are not kept (plain requests) touch no
database; those that are kept (jobs, batches) are written when they come, and when their state changes.

    python -m benchmarks.engine_rates [--jobs 2000] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.__main__ import table as as_table
from benchmarks.measure import machine, row
from benchmarks.served import ask_together, listening
from benchmarks.serving import bodies
from sensorium.engine.dispatcher import Dispatcher
from sensorium.engine.engine import LocalEngine
from sensorium.engine.options import EngineOptions
from sensorium.operations.registry import operation_named
from tests.postgresql import PostgreSQL, postgresql_server
from tests.server.instant_server import end_all

CLIENTS = 32
NOT_KEPT = "engine, not kept"
IN_SQLITE = "engine, kept in SQLite"
IN_POSTGRESQL = "engine, kept in PostgreSQL"
OVER_HTTP = "server and engine, over HTTP, not kept"


@dataclass(frozen=True)
class Rate:
    """What was measured of one way.

    Attributes:
        way: Which one.
        jobs_per_second: Through one process, on the clock.
        core_seconds: Of the engine's process, for a job.
        database_core_seconds: Of the database's processes, for a job.
        bytes_kept: In the database, for a job.
        bytes_logged: In the database's write-ahead log, for a job.
        transactions: Of the database, for a job.
    """

    way: str
    jobs_per_second: float
    core_seconds: float
    database_core_seconds: float = 0.0
    bytes_kept: float = 0.0
    bytes_logged: float = 0.0
    transactions: float = 0.0


@contextmanager
def _instant_jobs() -> Iterator[None]:
    usual = Dispatcher._dispatch
    Dispatcher._dispatch = end_all  # type: ignore[method-assign]
    try:
        yield
    finally:
        Dispatcher._dispatch = usual  # type: ignore[method-assign]


@dataclass(frozen=True)
class _Took:
    wall: float
    core: float
    more: tuple[float, ...]


async def _jobs(
    folder: Path,
    jobs: int,
    *,
    durable: bool,
    database: str | None = None,
    look: Callable[[], tuple[float, ...]] = lambda: (),
) -> _Took:
    """Let jobs through an engine, after some that warm it.

    Args:
        folder: The engine's.
        jobs: How many.
        durable: Whether they are kept.
        database: Where.
        look: Returns figures that grow; what they grow by is returned.
    """
    engine = LocalEngine(EngineOptions(data=folder, database=database, preload=False))
    build_prompt = operation_named("build-prompt")

    async def client(number: int, jobs: int) -> None:
        for each in range(jobs):
            job = await engine.submit(build_prompt(subject=f"a cat number {number}-{each}"), durable=durable)
            ended = await engine.result(job.id)
            if ended.state != "done":
                raise RuntimeError(f"a job ended as {ended.state}: {ended.error}")

    async def clients(jobs: int) -> None:
        await asyncio.gather(*(client(number, jobs // CLIENTS) for number in range(CLIENTS)))

    await engine.start()
    try:
        await clients(CLIENTS)
        before, begun, core = look(), time.perf_counter(), time.process_time()
        await clients(jobs)
        wall, core = time.perf_counter() - begun, time.process_time() - core
        return _Took(wall, core, tuple(now - then for now, then in zip(look(), before, strict=True)))
    finally:
        await engine.close()


def without_database(jobs: int) -> Rate:
    """Measure jobs that are not kept."""
    with tempfile.TemporaryDirectory() as place, _instant_jobs():
        took = asyncio.run(_jobs(Path(place), jobs, durable=False))
    return Rate(NOT_KEPT, jobs / took.wall, took.core / jobs)


def with_sqlite(jobs: int) -> Rate:
    """Measure jobs that are kept in SQLite."""
    with tempfile.TemporaryDirectory() as place, _instant_jobs():
        folder = Path(place)
        asyncio.run(_jobs(folder, CLIENTS, durable=True))
        before = _size_of_sqlite(folder)
        took = asyncio.run(_jobs(folder, jobs, durable=True))
        kept = _size_of_sqlite(folder) - before
    return Rate(IN_SQLITE, jobs / took.wall, took.core / jobs, bytes_kept=kept / (jobs + CLIENTS))


def _size_of_sqlite(folder: Path) -> int:
    """Return the bytes of the database; its log is empty, since the engine has closed it."""
    return sum(path.stat().st_size for path in folder.rglob("*.sqlite*"))


def with_postgresql(jobs: int) -> Rate:
    """Measure jobs that are kept in PostgreSQL, which waits for the disk at each commit, as it does by default."""
    with postgresql_server(fsync="on") as server, tempfile.TemporaryDirectory() as place, _instant_jobs():
        database = server.new_database()
        look = partial(_figures, server, database)
        took = asyncio.run(_jobs(Path(place), jobs, durable=True, database=database, look=look))
    kept, logged, commits, busy = (each / jobs for each in took.more)
    return Rate(IN_POSTGRESQL, jobs / took.wall, took.core / jobs, busy, kept, logged, commits)


def _figures(server: PostgreSQL, database: str) -> tuple[float, float, float, float]:
    """Return bytes of a database, bytes of the log, transactions, and seconds of the processors, so far."""
    name = database.partition("@/")[2].partition("?")[0]
    with server.connection() as connection:
        asked = connection.execute(
            "SELECT pg_database_size(%s), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), "
            "(SELECT xact_commit FROM pg_stat_database WHERE datname = %s)",
            (name, name),
        ).fetchone()
    assert asked is not None
    process = psutil.Process(server.pid)
    times = process.cpu_times()  # with those of its processes that have ended
    busy = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        busy += sum(child.cpu_times()[:2])
    return float(asked[0]), float(asked[1]), float(asked[2]), busy


def over_http(jobs: int) -> Rate:
    """Measure plain requests over HTTP: server and engine in one process, as ``sensorium serve`` runs them."""
    with (
        tempfile.TemporaryDirectory() as place,
        listening([sys.executable, "-m", "tests.server.instant_server", place]) as (address, server),
    ):
        each = jobs // CLIENTS
        url = address + "/v1/sensorium/embed"
        ask_together(url, bodies("embed-texts", CLIENTS, 2), server.pid)
        load = ask_together(url, bodies("embed-texts", CLIENTS, each), server.pid)
    return Rate(OVER_HTTP, load.rate, load.cpu_each)


def rates(jobs: int) -> list[Rate]:
    """Measure all ways."""
    return [without_database(jobs), with_sqlite(jobs), with_postgresql(jobs), over_http(jobs)]


def rows(measured: list[Rate]) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    return [
        row(
            rate.way,
            f"{rate.jobs_per_second:.0f} jobs/s",
            note=f"{1000 * rate.core_seconds:.2f} ms of a core for a job"
            + (f", {1000 * rate.database_core_seconds:.2f} ms of the database's" if rate.database_core_seconds else "")
            + (f"; {rate.bytes_kept:,.0f} bytes kept" if rate.bytes_kept else "")
            + (f", {rate.bytes_logged:,.0f} logged" if rate.bytes_logged else "")
            + (f", {rate.transactions:.1f} transactions" if rate.transactions else ""),
        )
        for rate in measured
    ]


def run(jobs: int = 2000) -> list[dict[str, Any]]:
    """Measure."""
    return rows(rates(jobs))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_rates", description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    os.environ["SENSORIUM_OFFLINE"] = "1"
    about, measured = machine(), rates(options.jobs)
    print(about)
    print(as_table(rows(measured)))
    if options.json is not None:
        document = {"machine": about, "date": time.strftime("%Y-%m-%d"), "rates": [asdict(rate) for rate in measured]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
