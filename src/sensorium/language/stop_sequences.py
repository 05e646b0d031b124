"""A text that ends before certain strings, while it is being written: ``StopSequences``."""

from __future__ import annotations

from collections.abc import Sequence


class StopSequences:
    """Lets a text through piece by piece, up to the first of some strings.

    Args:
        stops: The strings; none of them is empty.

    Attributes:
        found: Whether one of them came.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.found = False

    def let_through(self, piece: str) -> str:
        """Take the next piece; return what may be shown, and hold back what may be the beginning of a stop."""
        self._held += piece
        places = [self._held.index(stop) for stop in self._stops if stop in self._held]
        if places:
            self.found = True
            return self._take(min(places), forget=True)
        return self._take(len(self._held) - max((_overlap(self._held, stop) for stop in self._stops), default=0))

    def rest(self) -> str:
        """Return what is held back still, at the end of the text."""
        return self._take(len(self._held))

    def _take(self, count: int, *, forget: bool = False) -> str:
        taken, self._held = self._held[:count], "" if forget else self._held[count:]
        return taken


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of ``text`` are the beginning of ``stop``."""
    return next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)
