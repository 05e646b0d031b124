"""What a running operation tells whoever asked for it, where its files go, and how it learns that it is to stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from sensorium.operations.artifact import Artifact
from sensorium.progress import Event


class Reporter(ABC):
    """Is given to `Operation.run`: events go in, files go in, and ``is_set`` says whether to stop.

    It is an `EventCallback` and a `Cancellation` too, so tasks take it as ``progress=``, ``report=`` and ``cancel=``.
    """

    def __call__(self, event: Event) -> None:
        """Tell an event; must be quick, and may come from any thread."""
        self.tell(event)

    @abstractmethod
    def tell(self, event: Event) -> None:
        """Take an event."""

    @abstractmethod
    def is_set(self) -> bool:
        """Return whether the operation is to stop."""

    @abstractmethod
    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        """Keep a file that belongs to the result.

        Args:
            name: The file's name, unique within the result; its suffix tells the format.
            media_type: Such as ``"image/png"``.
            write: Called once with the path to write the file to; its suffix is that of ``name``.

        Raises:
            InputError: The file can't be written; the message says why.
        """
