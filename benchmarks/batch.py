"""What do Ray actors give a batch, and what do they cost, against the plain loop in one process?

- The same photos through the same classifier: plain loop, one actor, two actors. Each actor has its share of the
  threads. Once without the start (from the first outcome on), once from Enter to the end.
- Items that cost next to nothing (a prompt is built, no model): what an item costs on top of the plain loop when it
  goes through Ray.

    python -m benchmarks.batch [--photos 400] [--prompts 3000]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.__main__ import table as as_table
from benchmarks.measure import row
from sensorium.batch.item import BatchItem, folder_name, item_id
from sensorium.batch.item_worker import BatchWork
from sensorium.batch.runner import BatchRunner, PlainRunner
from sensorium.cluster.batch.places import Actors
from sensorium.cluster.batch.runner import RayBatchRunner
from tests.real_media import photos

LABELS = ["a cat", "a dog", "a cup of coffee", "a street", "a rocket"]


@dataclass(frozen=True)
class Took:
    """How long a batch took, in seconds.

    Attributes:
        all: From the start to the last outcome.
        working: From the first outcome to the last one.
        items: How many there were.
    """

    all: float
    working: float
    items: int

    @property
    def each(self) -> float:
        """Seconds of an item, without the start."""
        return self.working / self.items


def timed(runner: BatchRunner, operation: str, fields: list[Mapping[str, Any]]) -> Took:
    """Run a batch.

    Raises:
        RuntimeError: An item failed.
    """
    items = [_item(operation, each, number) for number, each in enumerate(fields)]
    with tempfile.TemporaryDirectory() as folder:
        begun, first, count = time.perf_counter(), 0.0, 0
        for outcome in runner.run(iter(items), BatchWork(operation, folder), threading.Event()):
            if outcome.error:
                raise RuntimeError(outcome.error)
            first = first or time.perf_counter()
            count += 1
        end = time.perf_counter()
    return Took(end - begun, end - first, count)


def _item(operation: str, fields: Mapping[str, Any], number: int) -> BatchItem:
    id = item_id(operation, fields, {"number": str(number)})
    return BatchItem(id, str(number), folder_name(str(number), id), fields)


def classifying(count: int) -> Iterator[dict[str, Any]]:
    """Yield rows: photos through a classifier."""
    files = [str(path) for path in sorted(photos().values())]
    fields: list[Mapping[str, Any]] = [
        {"image": files[number % len(files)], "labels": LABELS} for number in range(count)
    ]
    plain = timed(PlainRunner(), "classify", fields)
    for actors in (1, 2):
        ray = timed(RayBatchRunner(Actors(actors, actors)), "classify", fields)
        yield row(
            f"classifying {count} photos, {actors} Ray actor{'s' if actors > 1 else ''}, without the start",
            f"{1 / ray.each:.1f} a second",
            f"plain loop: {1 / plain.each:.1f} a second",
            plain.each / ray.each,
            f"from Enter to the end {ray.all:.1f} s against {plain.all:.1f} s: {plain.all / ray.all:.2f} times; "
            f"Ray and the model take {ray.all - ray.working:.1f} s until the first result",
        )


def overhead(count: int) -> Iterator[dict[str, Any]]:
    """Yield a row: what an item costs on top."""
    fields: list[Mapping[str, Any]] = [{"subject": f"a red house with {number} windows"} for number in range(count)]
    plain = timed(PlainRunner(), "build-prompt", fields)
    ray = timed(RayBatchRunner(Actors(1, 1)), "build-prompt", fields)
    yield row(
        f"{count} items that need no model, 1 Ray actor: what Ray costs an item",
        f"{1000 * (ray.each - plain.each):.2f} ms",
        f"an item of the plain loop: {1000 * plain.each:.2f} ms",
        note="groups of 16; the message of each outcome is in it, so that a kill loses none; writing it down isn't",
    )


def run(photos: int = 400, prompts: int = 3000) -> list[dict[str, Any]]:
    """Measure."""
    return [*classifying(photos), *overhead(prompts)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch")
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--prompts", type=int, default=3000)
    print(as_table(run(**vars(parser.parse_args()))))
