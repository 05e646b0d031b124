"""Running operations in the command's own process: where their media come from, what they tell, where files go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.cli.inputs import STANDARD_INPUT, read_standard_input
from sensorium.cli.interrupt import cancel
from sensorium.operations.artifact import Artifact
from sensorium.operations.media import Media
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.progress import Event, Note, Progress

if TYPE_CHECKING:
    from sensorium.cli.terminal import Terminal


def tasks_of_this_process() -> Tasks:
    """Return what opens task objects here: media are the user's own files, ``-`` is standard input."""
    standard_input: list[bytes] = []

    def find(reference: Media) -> str | bytes:
        if reference != STANDARD_INPUT:
            return str(reference)
        if not standard_input:
            standard_input.append(read_standard_input())
        return standard_input[0]

    return Tasks(find_media=find)


class TerminalReporter(Reporter):
    """Shows progress and notes on the terminal, and writes files to where the user wants them.

    Args:
        terminal: Where to show them.
        files: Where the operation's files go to, in their order.
        told: Called with all other events.
    """

    def __init__(self, terminal: Terminal, files: Sequence[Path], told: Callable[[Event], None] | None) -> None:
        self._terminal = terminal
        self._files = iter(files)
        self._told = told

    def tell(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Progress():
                self._terminal.progress(event)
            case Note(text):
                self._terminal.note(text)
            case _:
                if self._told is not None:
                    self._told(event)

    def is_set(self) -> bool:
        """Return whether the user pressed Ctrl-C."""
        return cancel.is_set()

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        """Write a file to where the user wants the next one."""
        path = next(self._files)
        write(path)
        return Artifact(name, media_type, path.stat().st_size)
