"""How long does a large job take on 1, 10 and 1,000 machines, and what bounds it? Arithmetic, each step written out.

The figures of an item are those of ``docs/scaling/costs.json``, or the operator's own:

    python -m benchmarks.extrapolation --operation caption --items 1000000
    python -m benchmarks.extrapolation --items 1000000 --seconds 0.35 --bytes-in 2200000 --cores 1   # one GPU a machine

The second is for what `python -m benchmarks.gpu_architectures` or a trial batch has shown on one's own GPU.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.scaling.measured import Measured

MACHINES = (1, 10, 1000)
CORES = 16
EFFICIENCY = {1: 0.9, 10: 0.8, 1000: 0.6}
"""The part of the cores' time that does the work: assumed, for stragglers, uneven ends, and what nodes do besides."""
NETWORK_BYTES = 1.25e9
"""Bytes a second that a machine reads: 10 Gbit/s, assumed."""
GETS = 5500
"""Requests a second that Amazon S3 promises for reading below one prefix."""
GETS_PER_ITEM = 2
"""To read one: HEAD and GET."""
PUTS = 3500
"""Requests a second that Amazon S3 promises for writing below one prefix."""

CORE, NETWORK, STORE, COMMAND, BUILD = "cores", "network", "object store", "the command", "vector index"


def rounded(value: float, digits: int = 3) -> float:
    """Return a value with so many significant digits: what is shown is what is computed with."""
    return 0.0 if value == 0 else round(value, digits - 1 - math.floor(math.log10(abs(value))))


def shown(value: float) -> str:
    """Return a value with three significant digits, large ones with commas."""
    value = rounded(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.10f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Job:
    """Something large to be done.

    Attributes:
        name: What.
        items: How many.
        item: What one is.
        core_seconds: Of one.
        bytes_in: Of one.
        bytes_out: Of one.
        files_out: How many files come of one.
        command_core_seconds: What one costs the one process that was called.
        build_core_seconds: What one machine does alone at the end, with all its cores.
        cores: Of a machine, or how many GPUs it has if the seconds are theirs.
    """

    name: str
    items: int
    item: str
    core_seconds: float
    bytes_in: float
    bytes_out: float
    files_out: int = 0
    command_core_seconds: float = 0.0
    build_core_seconds: float = 0.0
    cores: int = CORES

    @property
    def total_core_seconds(self) -> float:
        """Of all items."""
        return rounded(self.items * rounded(self.core_seconds))

    def hours(self, machines: int) -> dict[str, float]:
        """Return for each thing that may bound the job how many hours it takes on so many machines."""
        efficiency = _efficiency(machines)
        found = {
            CORE: self.total_core_seconds / 3600 / (machines * self.cores * efficiency),
            NETWORK: self.items * rounded(self.bytes_in) / NETWORK_BYTES / machines / 3600,
            STORE: self.items * max(GETS_PER_ITEM / GETS * (self.bytes_in > 0), self.files_out / PUTS) / 3600,
            COMMAND: self.items * rounded(self.command_core_seconds) / 3600,
        }
        if self.build_core_seconds:
            found[BUILD] = rounded(self.build_core_seconds) / 3600 / (self.cores * EFFICIENCY[1])
        return found

    def bound(self, machines: int) -> str:
        """Return what takes longest."""
        hours = self.hours(machines)
        return max(hours, key=lambda name: hours[name])


def _efficiency(machines: int) -> float:
    return next(EFFICIENCY[most] for most in sorted(EFFICIENCY, reverse=True) if machines >= most)


def arithmetic(job: Job) -> list[str]:
    """Return the steps, one a line."""
    hours = rounded(job.total_core_seconds / 3600)
    lines = [
        f"{job.items:,} × {shown(job.core_seconds)} core-seconds = {shown(job.total_core_seconds)} core-seconds; "
        f"÷ 3,600 = {shown(hours)} core-hours",
        f"{job.items:,} × {shown(job.bytes_in)} bytes in = {_volume(job.items * rounded(job.bytes_in))}; "
        f"{job.items:,} × {shown(job.bytes_out)} bytes out = {_volume(job.items * rounded(job.bytes_out))}",
    ]
    if job.command_core_seconds:
        lines.append(
            f"{job.items:,} × {shown(job.command_core_seconds)} core-seconds of the command itself = "
            f"{shown(job.items * rounded(job.command_core_seconds))} core-seconds, in one process"
        )
    for machines in MACHINES:
        cores = f"{machines:,} × {job.cores} × {_efficiency(machines)}"
        lines.append(
            f"{shown(hours)} core-hours ÷ ({cores}) = {shown(job.hours(machines)[CORE])} hours on {machines:,} "
            f"machine{'' if machines == 1 else 's'}"
        )
    return lines


def _volume(size: float) -> str:
    for unit, bytes_of_it in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= bytes_of_it:
            return f"{shown(size / bytes_of_it)} {unit}"
    return f"{shown(size)} bytes"


def time_table(jobs: Sequence[Job]) -> str:
    """Return for each job and number of machines what each bound takes, the longest one in bold."""
    lines = [
        f"| job | machines | {CORE} | {NETWORK} | {STORE}, one prefix | {COMMAND} | {BUILD} | first bottleneck |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for job in jobs:
        for machines in MACHINES:
            hours, bound = job.hours(machines), job.bound(machines)
            cells = [
                (f"**{_length(hours[name])}**" if name == bound else _length(hours[name])) if hours.get(name) else ""
                for name in (CORE, NETWORK, STORE, COMMAND, BUILD)
            ]
            lines.append(f"| {job.name} | {machines:,} | {' | '.join(cells)} | {bound} |")
    return "\n".join(lines)


def _length(hours: float) -> str:
    if hours >= 48:
        return f"{shown(hours / 24)} days"
    if hours >= 1:
        return f"{shown(hours)} h"
    return f"{shown(hours * 60)} min" if hours * 60 >= 1 else f"{shown(hours * 3600)} s"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extrapolation", description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--operation", help="one whose items were measured")
    parser.add_argument("--seconds", type=float, default=0.0, help="of a core, or of a GPU, for an item")
    parser.add_argument("--bytes-in", type=float, default=0.0, help="of an item")
    parser.add_argument("--bytes-out", type=float, default=0.0, help="of an item's result")
    parser.add_argument("--cores", type=int, default=CORES, help="cores, or GPUs, of a machine")
    options = parser.parse_args()
    if options.operation:
        costs = [cost for (name, _), cost in Measured().costs.items() if name == options.operation]
        if not costs:
            parser.error(f"{options.operation} was not measured")
        jobs = [
            Job(cost.operation, options.items, cost.item, cost.core_seconds, cost.bytes_in, cost.bytes_out)
            for cost in costs
        ]
    elif options.seconds > 0:
        sizes = options.bytes_in, options.bytes_out
        jobs = [Job("own", options.items, "an item", options.seconds, *sizes, cores=options.cores)]
    else:
        parser.error("name an operation (--operation), or the seconds of an item (--seconds)")
    for job in jobs:
        print(f"{job.name}: {job.item}\n\n  " + "\n  ".join(arithmetic(job)) + "\n")
    print(time_table(jobs))


if __name__ == "__main__":
    main()
