"""Running operations in the command's own process: where their media come from, what they tell, where files go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.cli.inputs import STANDARD_INPUT, read_standard_input
from sensorium.cli.interrupt import cancel
from sensorium.cli.outputs import place_for
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.operations.artifact import Artifact
from sensorium.operations.media import Media
from sensorium.operations.reporter import Reporter
from sensorium.progress import Event, Note, Progress, check_cancelled

if TYPE_CHECKING:
    from sensorium.cli.terminal import Terminal


class OwnMedia:
    """Finds the user's own files for `Tasks`, and standard input, which is read once however often it is asked for."""

    def __init__(self) -> None:
        self._found: dict[Media, MediaSource] = {}

    def __call__(self, reference: Media) -> MediaSource:
        """Return what a reference stands for."""
        if reference == STANDARD_INPUT and reference not in self._found:
            self._found[reference] = read_standard_input()
        return self._found.get(reference, str(reference))

    def resolved(self, reference: Media) -> ResolvedMedia:
        """Return a medium found and checked; whoever asks for it again gets the same, and doesn't search again.

        Raises:
            InputError: It doesn't exist, or can't be read.
        """
        media = resolve(self(reference))
        self._found[reference] = media
        return media


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
        """Write a file to where the user wants the next one, unless the user pressed Ctrl-C before it is begun."""
        check_cancelled(cancel)
        with place_for(next(self._files), name) as path:
            write(path)
            size = path.stat().st_size
        return Artifact(name, media_type, size)
