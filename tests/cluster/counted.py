"""``sensorium batch`` whose actors write down which items they begin, so that tests can count how often each ran."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sensorium.cluster.batch.round as rounds
from sensorium.batch.item import BatchItem, ItemOutcome
from sensorium.batch.item_worker import ItemWorker
from sensorium.cluster.batch.actor import BatchActor

COUNTS = "COUNTED_BATCH"
"""Names the file for the inputs of the items that are begun, a line each."""
DEADLY = "deadly"
"""An item with this in its name ends the process that works on it."""


class CountedWorker(ItemWorker):
    """Writes down what it begins."""

    def run(self, items: Sequence[BatchItem], *more: Any) -> Iterator[ItemOutcome]:
        """Run items."""
        with Path(os.environ[COUNTS]).open("ab", buffering=0) as file:
            file.write("".join(f"{item.input}\n" for item in items).encode())
        if any(DEADLY in item.input for item in items):
            os.abort()
        yield from super().run(items, *more)


class CountedActor(BatchActor):
    """Works with `CountedWorker`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._worker = CountedWorker(self._setup.work)


def begun(file: Path) -> list[str]:
    """Return the names of the files of the items that were begun, in their order."""
    return [Path(line).name for line in file.read_text().splitlines()] if file.exists() else []


if __name__ == "__main__":
    import tests.cluster.counted as importable

    rounds.BatchActor = importable.CountedActor  # type: ignore[misc]
    from sensorium.cli import main

    sys.argv[0] = "sensorium"
    main()
