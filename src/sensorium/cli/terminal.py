"""The output of a command: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from sensorium import settings
from sensorium.cli.exit_codes import as_document
from sensorium.errors import SensoriumError
from sensorium.progress import Progress
from sensorium.record import plain

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBar
    from rich.progress import TaskID

_ESCAPE = "\x1b"
_HARMLESS = "\n\t\u200c\u200d"
"""Line breaks, tabs, and the joining characters that emoji and several scripts need."""

_bars_on_screen: set[ProgressBar] = set()


class Terminal:
    """The two output streams of a command.

    Args:
        as_json: Print each result as a JSON document on one line, instead of text.
        quiet: Print no progress and no notes; warnings and errors are printed nevertheless.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.prefix = ""
        self._bar: ProgressBar | None = None
        self._bar_task: TaskID | None = None
        self._stages: set[str] = set()

    def line(self, text: str = "") -> None:
        """Print a line of a result."""
        self.write(f"{text}\n")

    def write(self, text: str) -> None:
        """Print a part of a result at once."""
        self._out(printable(text))

    def document(self, document: Mapping[str, Any]) -> None:
        """Print a JSON document on one line."""
        ascii_only = "utf" not in (sys.stdout.encoding or "utf-8").lower()
        self._out(json.dumps(plain(document), ensure_ascii=ascii_only, allow_nan=False) + "\n")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows in aligned columns; nothing is cut off."""
        widths = column_widths([header, *rows])
        self.header(header, widths)
        for row in rows:
            self.line(aligned(row, widths))

    def header(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        """Print the header of a table; its rows follow one by one."""
        self._out(style(aligned(cells, widths), "2", sys.stdout) + "\n")

    def heading(self, text: str) -> None:
        """Print a heading above lines of a result."""
        self._out(style(text, "1", sys.stdout) + "\n")

    def note(self, text: str) -> None:
        """Print a note for the user on stderr; it is not part of the result."""
        if not self.quiet:
            self.clear_progress()
            print(printable(text), file=sys.stderr, flush=True)

    def warnings(self, sentences: Iterable[str]) -> None:
        """Print on stderr what was missing or damaged in an input, also if the command is to be quiet."""
        for sentence in sentences:
            self.clear_progress()
            print(style("Warning:", "33", sys.stderr), printable(f"{sentence}."), file=sys.stderr, flush=True)

    def error(self, error: SensoriumError, name: str | None = None) -> None:
        """Print an error as one sentence; with ``as_json``, also print a JSON document."""
        self.clear_progress()
        print_error(str(error))
        if self.as_json:
            self.document(as_document(error, name))

    def progress(self, report: Progress) -> None:
        """Show progress: on a terminal a bar, otherwise one line when a fetch begins."""
        if self.quiet:
            return
        if not sys.stderr.isatty() or settings.is_dumb_terminal():
            if report.stage.startswith("fetching") and report.stage not in self._stages:
                self._stages.add(report.stage)
                size = f" ({report.total / 1e6:,.0f} MB)" if report.unit == "bytes" and report.total else ""
                self.note(f"{report.stage[0].upper()}{report.stage[1:]}{size}")
            return
        self._draw(report)

    def clear_progress(self) -> None:
        """Take the progress bar off the screen, so that a line can be printed in its place."""
        if self._bar is not None:
            self._bar.stop()
            _bars_on_screen.discard(self._bar)
            self._bar = None

    def _out(self, text: str) -> None:
        self.clear_progress()
        sys.stdout.write(text)
        sys.stdout.flush()

    def _draw(self, report: Progress) -> None:
        state: dict[str, Any] = {
            "description": printable(self.prefix + report.stage),
            "completed": report.done,
            "total": report.total,
            "amount": _amount(report),
        }
        if self._bar is None:
            self._bar = _new_bar()
            self._bar_task = self._bar.add_task(**state)
            _bars_on_screen.add(self._bar)
            self._bar.start()
        else:
            assert self._bar_task is not None
            self._bar.update(self._bar_task, **state)


def clear_screen_of_bars() -> None:
    """Take every progress bar off the screen, because the program ends."""
    for bar in list(_bars_on_screen):
        bar.stop()


def _new_bar() -> ProgressBar:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as ProgressBar

    return ProgressBar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def print_error(sentence: str) -> None:
    """Print ``Error: …`` on stderr."""
    print(style("Error:", "1;31", sys.stderr), printable(sentence), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Escape characters that could disturb a terminal: control characters, and marks that change text direction."""
    if text.isprintable():
        return text
    return "".join(_printable_character(character) for character in text)


def one_line(text: str) -> str:
    """Return a text, such as a file name, on one line: line breaks are escaped."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def style(text: str, code: str, stream: TextIO) -> str:
    """Colour a text if ``stream`` is a terminal that shows colours (https://no-color.org)."""
    return f"{_ESCAPE}[{code}m{text}{_ESCAPE}[0m" if settings.colours() and stream.isatty() else text


def aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return cells in columns of the given widths, measured as a terminal shows them."""
    from rich.cells import cell_len

    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column, measured as a terminal shows it."""
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def clock(seconds: float) -> str:
    """Return a point in time as ``1:23.4`` or ``1:02:03.4``."""
    tenths = round(seconds * 10)
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def size(count: int) -> str:
    """Return a number of bytes as ``148 MB``; "" for 0, which means unknown."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB" if count else ""


def _printable_character(character: str) -> str:
    if character.isprintable() or character in _HARMLESS:
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def _amount(report: Progress) -> str:
    if report.unit == "bytes":
        done = size(int(report.done)) or "0 MB"
        return f"{done} of {size(int(report.total))}" if report.total else done
    if report.total is None:
        return f"{report.done:,.0f} {report.unit}" if report.done else ""
    if report.unit == "seconds":
        return f"{clock(report.done)} of {clock(report.total)}"
    return f"{report.done:,.0f} of {report.total:,.0f} {report.unit}"
