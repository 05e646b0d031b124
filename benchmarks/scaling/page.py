"""Writes the tables and the arithmetic of ``docs/scaling.md``, from the figures that are kept in ``docs/scaling``.

    python -m benchmarks.scaling.page

What stands between the marks in the page is made here; the words around it are written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.engine_rates import IN_POSTGRESQL, NOT_KEPT, OVER_HTTP
from benchmarks.extrapolation import Job, arithmetic, rounded, shown, time_table
from benchmarks.item_costs import READ
from benchmarks.queue_check import Check, Waits
from benchmarks.scaling.items import LARGE, PICTURE, SPEECH, WITHOUT_STARTER
from benchmarks.scaling.measured import CHECK, COSTS, DAY, ENGINE, INDEX, MANIFEST, Measured
from benchmarks.traffic_day import hour_table, size_table, way_table

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
MILLION, YEAR_HOURS = 1_000_000, 8766
ROWS_PER_PARTITION = 4096
"""Of the vector index (`sensorium.retrieval.table`)."""
COMMIT_SECONDS = (0.001, 0.005)
"""How long a commit takes in a database beside the keeper, and in one a network away that waits for its disk."""
_PHOTO_JOBS = ("caption", "classify", "embed", "moderate", "control-map")
_MAKE_FILES = ("control-map", "imagine")
_BLOCK = re.compile(r"(<!-- begin ([\w-]+)[^>]*-->\n).*?(<!-- end \2 -->)", re.DOTALL)


def photo_jobs(measured: Measured) -> list[Job]:
    """Return what is done to a million photos."""
    jobs = [_job(f"{operation}, a million photos", MILLION, measured, operation, LARGE) for operation in _PHOTO_JOBS]
    return [*jobs, index_job(measured, MILLION, "index, a million photos")]


def index_job(measured: Measured, items: int = 10 * MILLION, name: str = "index, ten million photos") -> Job:
    """Return an index of photos: all read and encode them, one builds the vector index at the end."""
    cost, largest = measured.costs["index", LARGE], measured.built[-1]
    base, growth = build_growth(measured)
    build = rounded(items * rounded(base + growth * items / ROWS_PER_PARTITION))
    kept = rounded(largest.bytes_written) + rounded(largest.bytes_of_index)
    return Job(name, items, LARGE, cost.core_seconds, cost.bytes_in, kept, build_core_seconds=build)


def build_growth(measured: Measured) -> tuple[float, float]:
    """Return the core-seconds of a vector's place in the vector index: what each takes, and more for each partition."""
    small, large = measured.built[0], measured.built[-1]
    partitions = (large.vectors - small.vectors) / ROWS_PER_PARTITION
    growth = rounded((large.build_core_seconds - small.build_core_seconds) / partitions)
    return rounded(small.build_core_seconds - growth * small.vectors / ROWS_PER_PARTITION), growth


def speech_job(measured: Measured) -> Job:
    """Return a year of speech, minute by minute."""
    return _job("transcribe, a year of speech", YEAR_HOURS * 60, measured, "transcribe", SPEECH)


def painting_job(measured: Measured) -> Job:
    """Return a million pictures."""
    return _job("imagine, a million pictures", MILLION, measured, "imagine", PICTURE)


def _job(name: str, items: int, measured: Measured, operation: str, item: str) -> Job:
    cost = measured.costs[operation, item]
    return Job(
        name,
        items,
        item,
        cost.core_seconds,
        cost.bytes_in,
        cost.bytes_out,
        files_out=int(operation in _MAKE_FILES),
        command_core_seconds=measured.noted.core_seconds,
    )


def blocks(measured: Measured) -> Mapping[str, Callable[[], str]]:
    """Return what writes each block of the page."""
    return {
        "machine": lambda: _machine(measured),
        "costs": lambda: _costs(measured),
        "photos": lambda: _arithmetic(photo_jobs(measured)),
        "index": lambda: _index(measured),
        "speech": lambda: _arithmetic([speech_job(measured)]),
        "pictures": lambda: _arithmetic([painting_job(measured)]),
        "times": lambda: time_table(
            [*photo_jobs(measured), index_job(measured), speech_job(measured), painting_job(measured)]
        ),
        "command": lambda: _command(measured),
        "engine": lambda: _engine(measured),
        "keeper": lambda: _keeper(measured),
        "needed": lambda: size_table(measured.document(DAY)["needed"]),
        "day": lambda: _day(measured.document(DAY)["day"]),
        "quiet": lambda: way_table(measured.document(DAY)["quiet"]["ways"]),
        "saving": lambda: _saving(measured),
        "hours": lambda: _hours(measured.document(DAY)["day"]),
        "check": lambda: _check(measured),
    }


def written(page: str, measured: Measured) -> str:
    """Return the page with all blocks made anew."""
    makers = blocks(measured)
    found = [match.group(2) for match in _BLOCK.finditer(page)]
    assert sorted(found) == sorted(makers), f"the page has the blocks {found}"
    return _BLOCK.sub(lambda match: f"{match.group(1)}{makers[match.group(2)]()}\n{match.group(3)}", page)


def _machine(measured: Measured) -> str:
    lines = []
    for name in (COSTS, INDEX, MANIFEST, ENGINE, CHECK):
        document = measured.document(name)
        lines.append(f"- `docs/scaling/{name}`, {document['date']}: {document['machine']}")
    return "\n".join(lines)


def _costs(measured: Measured) -> str:
    lines = [
        "| operation | item | core-seconds | bytes in | bytes out | memory | model's start, core-seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cost in measured.costs.values():
        start = "" if cost.operation == READ else f"{cost.start_core_seconds:.2f}"
        lines.append(
            f"| {f'`{cost.operation}`' if cost.operation != READ else 'only reading it'} | {cost.item} "
            f"| {shown(cost.core_seconds)} | {shown(cost.bytes_in)} | {shown(cost.bytes_out)} "
            f"| {cost.memory / 1e6:,.0f} MB | {start} |"
        )
    names = ", ".join(f"`{name}`" for name in WITHOUT_STARTER)
    return "\n".join(lines) + f"\n\nNot measured, because the starter has no checkpoint for them: {names}."


def _arithmetic(jobs: list[Job]) -> str:
    return "\n".join(f"- **{job.name}**\n" + "\n".join(f"  - {line}" for line in arithmetic(job)) for job in jobs)


def _index(measured: Measured) -> str:
    job, (base, growth) = index_job(measured), build_growth(measured)
    small, large = measured.built[0], measured.built[-1]
    partitions = rounded(job.items / ROWS_PER_PARTITION, 4)
    each = rounded(base + growth * (job.items / ROWS_PER_PARTITION))
    hours = rounded(job.build_core_seconds / 3600)
    return "\n".join(
        [
            _arithmetic([job]),
            f"  - the vector index took {shown(1e6 * small.build_core_seconds)} µs of a core for each of "
            f"{small.vectors:,} vectors and {shown(1e6 * large.build_core_seconds)} µs for each of {large.vectors:,}: "
            f"{shown(1e6 * base)} µs, and {shown(1e6 * growth)} µs more for each partition of 4,096 vectors",
            f"  - {job.items:,} ÷ 4,096 = {partitions:,.0f} partitions; "
            f"{shown(1e6 * base)} µs + {partitions:,.0f} × {shown(1e6 * growth)} µs = {shown(1e6 * each)} µs",
            f"  - {job.items:,} × {shown(each)} core-seconds = {shown(job.build_core_seconds)} core-seconds; "
            f"÷ 3,600 = {shown(hours)} core-hours, on one machine",
        ]
    )


def _command(measured: Measured) -> str:
    noted = measured.noted
    note, ray, post, manifest = (
        rounded(1e6 * seconds)
        for seconds in (
            noted.note_core_seconds,
            noted.ray_command_core_seconds,
            noted.ray_post_core_seconds,
            noted.manifest_core_seconds,
        )
    )
    rate = 1e6 / rounded(max(note + ray, post))
    row = rounded(noted.bytes)
    return "\n".join(
        [
            f"- the command: {shown(note)} µs + {shown(ray)} µs of Ray = {shown(note + ray)} µs for an item; the actor "
            f"that takes outcomes in, beside it: {shown(post)} µs",
            f"- the slower of the two: 1,000,000 µs ÷ {shown(max(note + ray, post))} µs = {shown(rate)} items a second",
            f"- the manifest at the end: {shown(manifest)} µs more for an item, and "
            f"10,000,000 × {shown(row)} bytes = {shown(10 * MILLION * row / 1e9)} GB for ten million rows",
        ]
    )


def _engine(measured: Measured) -> str:
    lines = [
        "| way | seen here, a second | engine's core, ms a job | one core could do, a second "
        "| database's cores, ms a job "
        "| bytes kept | bytes logged | transactions |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for rate in measured.rates.values():
        more = [rate.database_core_seconds * 1000, rate.bytes_kept, rate.bytes_logged, rate.transactions]
        cells = " | ".join(shown(each) if each else "" for each in more)
        core = rounded(1000 * rate.core_seconds)
        lines.append(f"| {rate.way} | {shown(rate.jobs_per_second)} | {shown(core)} | {shown(1000 / core)} | {cells} |")
    return "\n".join(lines)


def _keeper(measured: Measured) -> str:
    kept, plain, http = (measured.rates[way] for way in (IN_POSTGRESQL, NOT_KEPT, OVER_HTTP))
    core, transactions = rounded(1000 * kept.core_seconds), rounded(kept.transactions)
    near, far = COMMIT_SECONDS
    day = 86_400 * 100 * rounded(kept.bytes_kept)
    return "\n".join(
        [
            f"- its core: 1,000 ms ÷ {shown(core)} ms = {shown(1000 / core)} kept jobs a second at most; "
            f"1,000 ms ÷ {shown(1000 * plain.core_seconds)} ms = {shown(1000 / rounded(1000 * plain.core_seconds))} "
            "plain requests a second",
            f"- its one thread that writes, {shown(transactions)} commits a job: "
            f"1,000 ms ÷ ({shown(transactions)} × {shown(1000 * near)} ms) = {shown(1 / (transactions * near))} jobs a "
            f"second where a commit takes {shown(1000 * near)} ms, and 1,000 ms ÷ ({shown(transactions)} × "
            f"{shown(1000 * far)} ms) = {shown(1 / (transactions * far))} where it takes {shown(1000 * far)} ms",
            f"- a core of HTTP: 1,000 ms ÷ {shown(1000 * http.core_seconds)} ms = "
            f"{shown(1000 / rounded(1000 * http.core_seconds))} plain requests a second, engine included",
            f"- the database: 86,400 × 100 × {shown(kept.bytes_kept)} bytes = {shown(day / 1e9)} GB a day at 100 kept "
            "jobs a second",
        ]
    )


def _day(day: Mapping[str, Any]) -> str:
    peak = ", ".join(f"{model} {count}" for model, count in day["peak"].items())
    requests = day["ways"][next(iter(day["ways"]))]["requests"]
    said = (
        f"{requests:,} requests, {day['rate']:g} a second on average, seed {day['seed']}, {day['queue']} may wait. The "
        f"busiest hour needs, for {day['wait']:g} seconds' wait of 95 in 100: {peak}."
    )
    return f"{said}\n\n{way_table(day['ways'])}"


def _saving(measured: Measured) -> str:
    lines = []
    for name, described in (("day", "On the busy day"), ("quiet", "On the quiet day")):
        always, one, none = measured.document(DAY)[name]["ways"].values()
        lines.append(
            f"- {described}, none instead of always: {_difference(always, none)}; {none['cold']:,} requests met no "
            f"replica, and 95 of 100 waited {none['p95_wait']:.1f} s instead of {always['p95_wait']:.1f} s"
        )
        lines.append(
            f"- {described}, one of each instead of always: {_difference(always, one)}; "
            f"95 of 100 waited {one['p95_wait']:.1f} s"
        )
    return "\n".join(lines)


def _difference(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    less, more = sorted((rounded(before["core_hours"]), rounded(after["core_hours"])))
    word = "saved" if after["core_hours"] <= before["core_hours"] else "more"
    share = 100 * (more - less) / rounded(before["core_hours"])
    return f"{shown(more)} − {shown(less)} = {shown(more - less)} core-hours {word} ({share:.0f} %)"


def _hours(day: Mapping[str, Any]) -> str:
    return hour_table(day["hours"], sum(day["peak"].values()))


def _check(measured: Measured) -> str:
    values = measured.document(CHECK)["check"]
    check = Check(**{name: Waits(**value) if isinstance(value, dict) else value for name, value in values.items()})
    lines = ["| waiting, seconds | mean | half | 95 of 100 |", "| --- | --- | --- | --- |"]
    for name, waits in (
        ("measured", check.measured),
        ("simulated, with the seconds that each picture took", check.simulated),
        ("simulated, with the seconds of a picture alone", check.planned),
    ):
        lines.append(f"| {name} | {waits.mean:.3f} | {waits.half:.3f} | {waits.most:.3f} |")
    said = (
        f"{check.requests} pictures in {check.seconds:.0f} seconds; one takes {check.alone:.3f} s alone, and took "
        f"{check.ran:.3f} s on average while they came."
    )
    return f"{said}\n\n" + "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), Measured()), encoding="utf-8")
    print(f"{PAGE} is written")


if __name__ == "__main__":
    sys.exit(main())
