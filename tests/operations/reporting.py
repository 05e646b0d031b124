"""A reporter for tests: remembers what it is told, and can be cancelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sensorium.operations.artifact import Artifact
from sensorium.operations.reporter import Reporter
from sensorium.progress import Event, Piece


class Listener(Reporter):
    """Remembers events.

    Args:
        patience: How often it may be asked whether to stop before it says yes; None for ever.
    """

    def __init__(self, patience: int | None = None) -> None:
        self.events: list[Event] = []
        self.patience = patience
        self.asked = 0

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def is_set(self) -> bool:
        self.asked += 1
        return self.patience is not None and self.asked > self.patience

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        raise AssertionError("no operation that is tested with this makes files")

    @property
    def text(self) -> str:
        """All pieces of text together."""
        return "".join(event.text for event in self.events if isinstance(event, Piece))
