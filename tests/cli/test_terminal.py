"""What is printed: columns, clocks, and names that could disturb a terminal."""

from __future__ import annotations

import io

import pytest

from sensorium.cli.terminal import Terminal, aligned, clock, column_widths, one_line, printable, size, style
from sensorium.progress import Progress


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("🐈 小猫 café", "🐈 小猫 café"),
        ("👩‍🚀", "👩‍🚀"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("turned\u202egnp.exe", "turned\\u202egnp.exe"),
        ("non-breaking\xa0space", "non-breaking space"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_name_stays_on_one_line() -> None:
    assert one_line("holiday\nin\tRome.jpg") == "holiday\\nin\\tRome.jpg"


def test_columns_are_as_wide_as_a_terminal_shows_them() -> None:
    rows = [("猫.jpg", "x"), ("dog.jpg", "y")]
    widths = column_widths(rows)
    assert widths == [7, 1]
    assert aligned(rows[0], widths) == "猫.jpg   x"
    assert aligned(rows[1], widths) == "dog.jpg  y"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (83.44, "1:23.4"), (3600, "1:00:00.0"), (7325.5, "2:02:05.5")],
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_size() -> None:
    assert [size(0), size(147_882_941), size(2_100_000_000)] == ["", "148 MB", "2.1 GB"]


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_only_on_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert style("x", "1", _Screen()) == "\x1b[1mx\x1b[0m"
    assert style("x", "1", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert style("x", "1", _Screen()) == "x"


def test_a_fetch_is_announced_once_where_no_bar_can_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    for done in range(3):
        terminal.progress(Progress("fetching whisper-base", done, 147e6, "bytes"))
        terminal.progress(Progress("transcribing", done, 3, "seconds"))
    assert capsys.readouterr() == ("", "Fetching whisper-base (147 MB)\n")


def test_quiet_means_no_progress_and_no_notes(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.progress(Progress("fetching whisper-base", 0, 147e6, "bytes"))
    terminal.note("by the way")
    terminal.line("result")
    assert capsys.readouterr() == ("result\n", "")


def test_a_bar_gives_way_to_results(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    screen = _Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    terminal = Terminal()
    terminal.progress(Progress("transcribing", 5, 60, "seconds"))
    assert "transcribing" in screen.getvalue()
    assert "0:05.0 of 1:00.0" in screen.getvalue()
    terminal.line("Hello.")
    assert screen.getvalue().endswith("\x1b[2K")  # the bar's line is erased
    assert capsys.readouterr().out == "Hello.\n"
