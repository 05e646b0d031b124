"""What all tests share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Tests import torch before the library can say how its threads wait; beside a busy program they would crawl.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_SETTINGS = (
    "SENSORIUM_PROFILE",
    "SENSORIUM_HARDWARE",
    "SENSORIUM_COMPILE",
    "SENSORIUM_SUBSTITUTE",
    "SENSORIUM_MIRROR",
    "SENSORIUM_OFFLINE",
    "HF_HUB_OFFLINE",
)


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them; the fetched starter weights stay in use."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sensorium_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the one that holds fetched checkpoints."""
    folder = tmp_path / "sensorium-home"
    monkeypatch.setenv("SENSORIUM_HOME", str(folder))
    return folder


@pytest.fixture
def slow_tokenizers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give other threads a moment between the settings of a tokenizer (padding, truncation) and its encoding."""
    from transformers import PreTrainedTokenizerFast

    settle = PreTrainedTokenizerFast.set_truncation_and_padding

    def slowly(self: Any, *arguments: Any, **options: Any) -> None:
        settle(self, *arguments, **options)
        time.sleep(0.002)

    monkeypatch.setattr(PreTrainedTokenizerFast, "set_truncation_and_padding", slowly)


_FIGURES = pytest.StashKey[list[str]]()
_PARITIES = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture(scope="session")
def parity(pytestconfig: pytest.Config) -> Callable[[str, str, str], None]:
    """Takes a row of the table that compares each family with its reference library on the same checkpoint.

    The arguments are the family, the call of the reference library, and how far apart the two are
    ("token-identical", "largest difference 3e-7").
    """
    rows = pytestconfig.stash.setdefault(_PARITIES, [])

    def add(family: str, reference: str, agreement: str) -> None:
        rows.append((family, reference, agreement))

    return add


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a figure in words; all of them are printed at the end of the run, whether tests pass or fail."""
    return pytestconfig.stash.setdefault(_FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the tests measured."""
    figures = config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.write_line(figure)
    rows = sorted(config.stash.get(_PARITIES, []))
    if rows:
        terminalreporter.section("compared with the reference library, on the same checkpoint and input")
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for family, reference, agreement in rows:
            terminalreporter.write_line(f"{family:{widths[0]}}  {reference:{widths[1]}}  {agreement}")
