"""How fast a batch goes, and how long it will take: no promise before there is something to reckon with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

_FEWEST_ITEMS = 3
_FEWEST_SECONDS = 5.0


@dataclass
class Pace:
    """Counts what is done.

    Attributes:
        done: Items that ended in this run, broken ones too.
        failed: The broken ones.
        weight: How heavy all of them were.
        begun: When the first one was taken up, by the monotonic clock.
    """

    done: int = 0
    failed: int = 0
    weight: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    def note(self, weight: float, *, failed: bool) -> None:
        """Count an item."""
        self.done += 1
        self.failed += failed
        self.weight += weight

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.begun

    @property
    def items_a_second(self) -> float:
        """Over the whole run."""
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
    return "about a minute" if seconds >= 45 else f"about {max(seconds, 1):.0f} seconds"
