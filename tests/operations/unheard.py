"""A reporter for tests that look at results alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sensorium.operations.artifact import Artifact
from sensorium.operations.reporter import Reporter
from sensorium.progress import Event


class Unheard(Reporter):
    """Where nobody listens: events are dropped, files go to a folder, nothing stops the operation.

    Args:
        folder: Where files go; None if the operation makes none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def tell(self, event: Event) -> None:
        """Drop the event."""

    def is_set(self) -> bool:
        """Return False."""
        return False

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        """Write the file to the folder."""
        if self._folder is None:
            raise ValueError("there is no folder for the files of the operation")
        path = self._folder / name
        write(path)
        return Artifact(name, media_type, path.stat().st_size)
