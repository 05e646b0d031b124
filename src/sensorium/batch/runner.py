"""What runs the items of a batch: a loop in this process, or many processes on many machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from sensorium.batch.at_work import AtWork
from sensorium.batch.item import BatchItem, ItemOutcome
from sensorium.batch.item_worker import BatchWork, ItemProgress, ItemWorker, failed_outcome
from sensorium.errors import SensoriumError, WorkerLostError
from sensorium.progress import Cancellation
from sensorium.storage.opening import location_of

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
        worker, at_work, complete = ItemWorker(work), AtWork(location_of(work.output)), False
        try:
            for number, several in enumerate(weighed_groups(items, _MOST_TOGETHER, _MOST_WEIGHT_TOGETHER)):
                if number == 0:
                    with suppress(SensoriumError):  # told when the item runs; loading is not part of its seconds
                        worker.load(several[0], cancel)
                for group in at_work.groups(several):
                    if at_work.is_to_blame(group[0]):
                        yield _fatal(group[0])
                    else:
                        at_work.begin(group)
                        yield from worker.run(group, cancel, told)
                    at_work.end(group)
            complete = True
        finally:
            worker.close()
            at_work.close(complete=complete)


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


def _fatal(item: BatchItem) -> ItemOutcome:
    error = WorkerLostError(
        "The process ended twice while it was at work on it", "Leave it out, or try it once more with --retry-errors"
    )
    return failed_outcome(item, str(error), type(error).__name__)
