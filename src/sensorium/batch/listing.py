"""The items of a batch, listed by a thread that runs ahead, so that it is soon known how many there are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from sensorium.batch.finished import FinishedItems
from sensorium.batch.item import BatchItem
from sensorium.progress import Cancellation, check_cancelled


class Listing:
    """Yields the items that aren't done yet, each once; they wait in a file, so that millions need no memory.

    Args:
        items: All items, in the order of their work.
        finished: Those that need no work; grows by those that are listed.
        file: Where items wait; not there yet.
        cancel: Ends the listing.

    Attributes:
        waiting: How many items have been listed that aren't done yet.
        weight: How heavy they are together.
        passed_over: How many were done before.
        complete: Whether all have been listed.
    """

    def __init__(self, items: Iterable[BatchItem], finished: FinishedItems, file: Path, cancel: Cancellation) -> None:
        self.waiting = 0
        self.weight = 0.0
        self.passed_over = 0
        self.complete = False
        self._items = items
        self._finished = finished
        self._file = file
        self._cancel = cancel
        self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._file.touch()
        self._thread = threading.Thread(target=self._list, name="sensorium-listing", daemon=True)

    def __iter__(self) -> Iterator[BatchItem]:
        """Yield the items as they are listed.

        Raises:
            SensoriumError: An input can't be listed; what was listed before has been yielded.
            CancelledError: ``cancel`` was set.
        """
        self._thread.start()
        yielded = 0
        with self._file.open(encoding="utf-8") as lines:
            while True:
                with self._changed:
                    ended = self.complete or self._error is not None
                    if self.waiting == yielded and not ended:
                        self._changed.wait(0.2)
                    listed = self.waiting
                check_cancelled(self._cancel)
                while yielded < listed:
                    yielded += 1
                    yield BatchItem.from_dict(json.loads(lines.readline()))
                if ended and yielded == listed:
                    break
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop listing."""
        self._stopped = True
        if self._thread.ident is not None:
            self._thread.join()

    def _list(self) -> None:
        before = self._finished
        listed = FinishedItems.of(())
        try:
            with self._file.open("a", encoding="utf-8") as lines:
                for item in self._items:
                    if self._stopped or self._cancel.is_set():
                        return
                    if item.id in before:
                        self.passed_over += 1
                    elif item.id not in listed:
                        listed.add(item.id)
                        lines.write(json.dumps(item.to_dict()) + "\n")
                        lines.flush()
                        with self._changed:
                            self.waiting += 1
                            self.weight += item.weight
                            self._changed.notify()
            self.complete = True
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._changed.notify()
