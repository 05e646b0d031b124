"""``sensorium tour``: its options; the tour itself has tests of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, documents


def test_options_are_handed_on(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Path, bool]] = []

    def tour(output: Path, *, run: Any, open_browser: bool, write: Any, progress: Any) -> Path:
        calls.append((output, open_browser))
        write("$ sensorium classify")
        return output / "index.html"

    monkeypatch.setattr("sensorium.tour.tour.run_tour", tour)
    assert run("tour").stdout == "$ sensorium classify\n"
    result = run("tour", "-o", tmp_path / "here", "--open", "--json")
    assert documents(result.stdout) == [{"page": str(tmp_path / "here" / "index.html")}]
    assert result.stderr == "$ sensorium classify\n"
    assert calls == [(Path("tour"), False), (tmp_path / "here", True)]


def test_a_folder_of_yours_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    result = run("tour", "-o", tmp_path)
    assert result.exit_code == 2
    assert "is not empty" in result.stderr
