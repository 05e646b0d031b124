"""How fast a batch goes, and how long it will take: no promise before there is something to reckon with."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

from sensorium.batch.item import ItemOutcome

_FEWEST_ITEMS = 3
_FEWEST_SECONDS = 5.0


class Pace:
    """Counts what is done; the time before the first item is taken up, when models are loaded, counts for nothing.

    Attributes:
        done: Items that ended in this run, broken ones too.
        failed: The broken ones.
        weight: How heavy all of them were.
    """

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self.weight = 0.0
        self._created = time.monotonic()
        self._began = math.inf

    def note(self, outcome: ItemOutcome) -> None:
        """Count an item."""
        self.done += 1
        self.failed += bool(outcome.error)
        self.weight += outcome.weight
        ago = max((datetime.now(UTC) - datetime.fromisoformat(outcome.started)).total_seconds(), outcome.seconds)
        self._began = max(min(self._began, time.monotonic() - ago), self._created)

    @property
    def seconds(self) -> float:
        """Since the first item was taken up; 0 before."""
        return max(time.monotonic() - self._began, 0.0)

    @property
    def whole_seconds(self) -> float:
        """Since the beginning of the run."""
        return time.monotonic() - self._created

    @property
    def items_a_second(self) -> float:
        """While items were at work."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    def seconds_left(self, weight: float) -> float | None:
        """Return how long the rest takes at the same pace, or None if nobody can know yet.

        Args:
            weight: Of all items of the run, done or not.
        """
        if self.done < _FEWEST_ITEMS or self.seconds < _FEWEST_SECONDS or self.weight <= 0:
            return None
        return max(weight - self.weight, 0.0) * self.seconds / self.weight


def in_words(seconds: float) -> str:
    """Return a time as roughly as it is known: ``about 3 hours``."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return f"about {seconds / length:.0f} {unit}s"
    return "about a minute" if seconds >= 45 else f"about {seconds:.0f} seconds" if seconds >= 10 else "some seconds"
