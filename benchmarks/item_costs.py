"""What does one item of each operation cost: seconds of a core, bytes in and out, memory, and the model's start?

Each operation runs on the starter's checkpoints in a process of its own with one thread, as a core of a large machine
would run it beside others. After a first item, which loads and warms, several passes are made, each over other photos,
texts and seeds, so that no answer comes from memory, and the least counts: seconds of the processor don't depend much
on what else runs, and a pass that was disturbed costs more, never less.

    python -m benchmarks.item_costs                       # all; about ten minutes
    python -m benchmarks.item_costs --only caption        # some operations
    python -m benchmarks.item_costs --json costs.json     # also for machines; docs/scaling/costs.json is made like this
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.__main__ import table as as_table
from benchmarks.measure import machine, row
from benchmarks.scaling import media
from benchmarks.scaling.items import LARGE, SMALL, WITHOUT_STARTER, Item, items
from sensorium.media.image import read_image
from sensorium.operations.artifact import Artifact
from sensorium.operations.operation import Operation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.progress import Event
from sensorium.record import plain

READ = "(read)"
"""What stands for no operation: a photo is read and turned into pixels, and that is all."""
_PASSES = 3
_TOGETHER = 32
_ENOUGH_SECONDS = 12.0
"""Of passes; what takes longer is measured less often."""


@dataclass(frozen=True)
class Cost:
    """What an item of an operation takes.

    Attributes:
        operation: Its name.
        item: What one item is.
        items: How many were in a pass.
        core_seconds: Of one core, for an item.
        bytes_in: Of the item's media.
        bytes_out: Of its result as JSON, and of the files that it makes.
        seconds: How long the item lasts, if it is sound or a film.
        memory: Bytes that the process took at most.
        start_seconds: From nothing but imports of the operations to the first result, less an item.
        start_core_seconds: The same in seconds of a core.
    """

    operation: str
    item: str
    items: int
    core_seconds: float
    bytes_in: int
    bytes_out: int
    seconds: float
    memory: int
    start_seconds: float
    start_core_seconds: float


class _Kept(Reporter):
    """Keeps files in a folder, and counts their bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.size = 0

    def tell(self, event: Event) -> None:
        """Pass over an event."""

    def is_set(self) -> bool:
        """Nobody stops it."""
        return False

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        """Write a file."""
        path = self._folder / name
        write(path)
        self.size += path.stat().st_size
        return Artifact(name, media_type, path.stat().st_size)


@dataclass(frozen=True)
class _Pass:
    core: float
    wall: float
    written: int


def _core_seconds() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _run(operations: Sequence[Operation], tasks: Tasks, kept: _Kept) -> list[Any]:
    """Run operations as a batch does: together where they go together."""
    if operations[0].batch_key() is None:
        return [operation.run(tasks, kept) for operation in operations]
    size = max(operations[0].at_once(tasks, kept), 1)
    size = _TOGETHER if size == 1 else size
    groups = [operations[start : start + size] for start in range(0, len(operations), size)]
    return [outcome for group in groups for outcome in type(group[0]).run_together(group, tasks, [kept] * len(group))]


def _pass(item: Item, operations: Sequence[Operation], tasks: Tasks, folder: Path) -> _Pass:
    kept = _Kept(folder)
    core, wall = _core_seconds(), time.perf_counter()
    results = _run(operations, tasks, kept)
    took = _core_seconds() - core, time.perf_counter() - wall
    for result in results:
        if isinstance(result, Exception):
            raise result
    documents = sum(len(json.dumps(plain(result), separators=(",", ":"))) for result in results)
    index = folder / "index"
    stored = sum(path.stat().st_size for path in index.rglob("*") if path.is_file()) if item.operation == "index" else 0
    return _Pass(*took, documents + kept.size + stored)


def measure(item: Item, passes: int = _PASSES) -> Cost:
    """Measure an item in this process.

    Args:
        item: What to measure.
        passes: How often, at most.
    """
    tasks = Tasks()
    done: list[_Pass] = []
    count, read = 0, 0
    for number in range(passes + 1):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            if item.before is not None:
                item.before(folder)
            operations = item.ask(number, folder)
            if number == 0:  # loads and warms
                operations = operations[:1]
                core, wall = _core_seconds(), time.perf_counter()
                operations[0].load(tasks, _Kept(folder))
                loading = _core_seconds() - core, time.perf_counter() - wall
                first = _pass(item, operations, tasks, folder)
                continue
            count = len(operations) * item.each
            read = sum(Path(each).stat().st_size for operation in operations for each in set(operation.media()))
            done.append(_pass(item, operations, tasks, folder))
        if sum(each.wall for each in done) > _ENOUGH_SECONDS:
            break
    tasks.close()
    best = min(done, key=lambda each: each.core)
    each, wall_each = best.core / count, min(each.wall for each in done) / count
    return Cost(
        operation=item.operation,
        item=item.item,
        items=count,
        core_seconds=each,
        bytes_in=read // count,
        bytes_out=best.written // count,
        seconds=item.seconds,
        memory=_most_memory(),
        start_seconds=max(0.0, loading[1] + first.wall - wall_each * item.each),
        start_core_seconds=max(0.0, loading[0] + first.core - each * item.each),
    )


def _most_memory() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage tells of the process that started this one, too
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reading(item: str, photos: Sequence[Path]) -> Cost:
    """Measure what it takes to read photos and turn them into pixels, and nothing else."""
    best = float("inf")
    read_image(photos[0])
    for _ in range(_PASSES):
        begun = _core_seconds()
        for photo in photos:
            read_image(photo)
        best = min(best, _core_seconds() - begun)
    size = sum(photo.stat().st_size for photo in photos) // len(photos)
    return Cost(READ, item, len(photos), best / len(photos), size, 0, 0.0, _most_memory(), 0.0, 0.0)


def _measure_here(number: int) -> Cost:
    if number >= 0:
        return measure(items()[number])
    return reading(LARGE, media.large_photos()) if number == -1 else reading(SMALL, media.small_photos())


def _measure_apart(number: int) -> Cost:
    """Measure in a process of its own, so that none finds memory or caches that another left."""
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, "-m", "benchmarks.item_costs", "--number", str(number), "--json", file.name]
        environment = {**os.environ, "SENSORIUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
        return Cost(**json.loads(Path(file.name).read_text(encoding="utf-8")))


def costs(only: Sequence[str] | None = None) -> list[Cost]:
    """Measure all items, or those of some operations."""
    media.make_all()  # what makes it must not count as somebody's memory
    numbers = [number for number, item in enumerate(items()) if only is None or item.operation in only]
    found = []
    for number in [*((-1, -2) if only is None or READ in only else ()), *numbers]:
        print(f"… {items()[number].operation if number >= 0 else READ}", file=sys.stderr, flush=True)
        found.append(_measure_apart(number))
    return found


def rows(measured: Sequence[Cost]) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    return [
        row(
            f"{cost.operation}: {cost.item}",
            f"{cost.core_seconds:.4g} core-seconds",
            note=f"{cost.bytes_in:,} bytes in, {cost.bytes_out:,} out, {cost.memory / 1e6:,.0f} MB, "
            f"start {cost.start_seconds:.2f} s ({cost.start_core_seconds:.2f} core-seconds)",
        )
        for cost in measured
    ]


def run() -> list[dict[str, Any]]:
    """Measure."""
    return rows(costs())


def _write(file: Path, about: str, measured: Sequence[Cost]) -> None:
    """Write figures to a file; those in it that were not measured anew stay."""
    older = json.loads(file.read_text(encoding="utf-8"))["costs"] if file.exists() else []
    known = {(each["operation"], each["item"]): each for each in [*older, *map(asdict, measured)]}
    kept = [known[name] for name in sorted(known)]
    document = {"machine": about, "date": time.strftime("%Y-%m-%d"), "costs": kept}
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.item_costs", description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="OPERATION", nargs="+", help=f"some operations, or {READ}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here, in place of older ones")
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.number is not None:
        options.json.write_text(json.dumps(asdict(_measure_here(options.number))), encoding="utf-8")
        return
    about, measured = machine(), costs(options.only)
    print(about)
    print(as_table(rows(measured)))
    print(f"\nNot measured, for want of a starter: {', '.join(WITHOUT_STARTER)}")
    if options.json is not None:
        _write(options.json, about, measured)


if __name__ == "__main__":
    main()
