"""Where Sensorium keeps what is the user's, on machines whose users have no ordinary home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensorium import settings
from sensorium.errors import InputError
from tests.refusals import refused

_VARIABLES = ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "SENSORIUM_HOME", "SENSORIUM_DATA")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the variables, as for a container's user whom the system doesn't know."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system doesn't know."""

    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", nobody)


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_a_user_without_a_home_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, unknown: None, home: str | None
) -> None:
    if home is not None:
        monkeypatch.setenv("HOME", home)
    with refused(InputError, "home folder", "SENSORIUM_HOME"):
        settings.home()
    with refused(InputError, "home folder", "SENSORIUM_DATA"):
        settings.data_home()
    monkeypatch.setenv("SENSORIUM_HOME", "/srv/models")
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert settings.home() == Path("/srv/models")
    assert settings.data_home() == Path("/srv/data/sensorium")


def test_a_relative_folder_for_all_programs_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    for ignored in ("", "cache", "./cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert settings.home() == Path("/home/ada/.cache/sensorium")


def test_a_tilde_is_a_home_where_there_is_one_and_else_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert settings.user_path("~/photos") == Path("/home/ada/photos")
    assert settings.user_path("~nobody-of-that-name/x.png") == Path("~nobody-of-that-name/x.png")
    assert settings.user_path("a~.png") == Path("a~.png")


@pytest.mark.parametrize(("columns", "framed"), [("0", True), ("79", False), ("20", False), ("80", True), ("x", True)])
def test_help_has_frames_where_they_fit(monkeypatch: pytest.MonkeyPatch, columns: str, framed: bool) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TYPER_USE_RICH", "")
    monkeypatch.delenv("TYPER_USE_RICH")
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    settings.fit_help_to_terminal()
    assert ("TYPER_USE_RICH" not in os.environ) == framed
    assert os.environ.get("COLUMNS") != "0"
