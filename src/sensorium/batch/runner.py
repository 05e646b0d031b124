"""What runs the items of a batch: a loop in this process, or many processes on many machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sensorium.batch.item import BatchItem, ItemOutcome
from sensorium.batch.item_worker import BatchWork, ItemProgress, ItemWorker
from sensorium.progress import Cancellation

_MOST_TOGETHER = 16
_MOST_WEIGHT_TOGETHER = 64.0
"""Megapixels or seconds: so many are decoded and held at a time."""


class BatchRunner(Protocol):
    """Runs the items of a batch."""

    def run(
        self,
        items: Iterator[BatchItem],
        work: BatchWork,
        cancel: Cancellation,
        told: ItemProgress | None = None,
    ) -> Iterator[ItemOutcome]:
        """Run items that are not done yet.

        Args:
            items: One by one, as they are found: there may be millions, so they are never all held. Taking one may
                raise a `SensoriumError`, which ends the batch once what is at work has been yielded.
            work: What is the same for all of them.
            cancel: Asked often; once it is set, what is at work is stopped.
            told: Told how far the item at work is, where the runner knows; may be called from any thread.

        Yields:
            The outcome of each item once, in any order, as soon as its files are kept. A broken item is an outcome with
            its sentence; it never costs another item its result.

        Raises:
            CancelledError: ``cancel`` was set; the items at work are not yielded, and will be run again.
            SensoriumError: The batch can't go on.
        """


@dataclass(frozen=True)
class PlainRunner:
    """Runs items one after the other in this process; those that can go through a model together do so."""

    def run(
        self,
        items: Iterator[BatchItem],
        work: BatchWork,
        cancel: Cancellation,
        told: ItemProgress | None = None,
    ) -> Iterator[ItemOutcome]:
        """Run the items."""
        worker = ItemWorker(work)
        try:
            for group in weighed_groups(items, _MOST_TOGETHER, _MOST_WEIGHT_TOGETHER):
                yield from worker.run(group, cancel, told)
        finally:
            worker.close()


def weighed_groups(items: Iterator[BatchItem], most: int, most_weight: float) -> Iterator[list[BatchItem]]:
    """Yield items in groups that are neither too many nor too heavy; a heavy one is a group of its own.

    Args:
        items: One by one.
        most: How many a group holds at most.
        most_weight: How heavy a group of several is at most.
    """
    group: list[BatchItem] = []
    weight = 0.0
    for item in items:
        if group and (len(group) == most or weight + item.weight > most_weight):
            yield group
            group, weight = [], 0.0
        group.append(item)
        weight += item.weight
    if group:
        yield group
