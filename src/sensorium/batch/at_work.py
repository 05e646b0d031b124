"""What is at work, kept in the output: an item with which the process dies must not end every further run as well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from sensorium.batch.item import BatchItem
from sensorium.errors import InputError
from sensorium.storage.location import Location

_MOST_DEATHS = 2


class AtWork:
    """Remembers the items at work of a process, and with which ones earlier processes died.

    Args:
        output: The folder of the batch.
    """

    def __init__(self, output: Location) -> None:
        self._place = output.join(".batch", "at-work.json")
        self._suspects = self._read()

    def groups(self, items: Sequence[BatchItem]) -> Iterator[list[BatchItem]]:
        """Yield items in the groups in which they are to run; one with which a process died is alone."""
        innocent = [item for item in items if item.id not in self._suspects]
        if innocent:
            yield innocent
        yield from ([item] for item in items if item.id in self._suspects)

    def is_to_blame(self, item: BatchItem) -> bool:
        """Return whether the process died with an item, and died again when the item was alone."""
        return self._suspects.get(item.id, 0) >= _MOST_DEATHS

    def begin(self, items: Sequence[BatchItem]) -> None:
        """Note that a group is at work from now on."""
        self._write({item.id: self._suspects.get(item.id, 0) for item in items})

    def end(self, items: Sequence[BatchItem]) -> None:
        """Take items for innocent: they are done."""
        for item in items:
            self._suspects.pop(item.id, None)

    def close(self, *, complete: bool) -> None:
        """Forget what was at work: the process ends by itself.

        Args:
            complete: Whether all items are done, so that nobody is suspected any more.
        """
        if self._suspects and not complete:
            self._write({})
        else:
            self._place.delete()

    def _write(self, working: dict[str, int]) -> None:
        self._place.write(json.dumps({"working": working, "suspects": self._suspects}).encode())

    def _read(self) -> dict[str, int]:
        """Return how often a process died with an item; what was at work is there only if the last one died."""
        try:
            document = json.loads(self._place.read())
            return {**document["suspects"], **{id: deaths + 1 for id, deaths in document["working"].items()}}
        except (InputError, ValueError, LookupError, TypeError, AttributeError):
            return {}  # it isn't there, or is damaged: nobody is suspected
