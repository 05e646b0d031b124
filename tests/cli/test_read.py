"""``sensorium read``, on real pictures with the starter's reader."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from sensorium import TextReader
from tests import real_media
from tests.cli.conftest import Run, documents


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(real_media.writing("linux")[0], tmp_path / "linux.jpg")
    shutil.copy(real_media.photo("chelsea"), tmp_path / "cat.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_text_goes_to_standard_output_and_a_note_says_where_nothing_is_written(run: Run, pages: Path) -> None:
    alone = run("read", "linux.jpg")
    assert (alone.exit_code, alone.stdout.splitlines()[0].lower()) == (0, "linux")
    both = run("read", "linux.jpg", "cat.png")
    assert both.exit_code == 0
    assert both.stdout == f"==> linux.jpg <==\n{alone.stdout}", "a picture without writing takes no line"
    assert "cat.png: nothing is written there." in both.stderr


def test_json_tells_where_each_line_stands(run: Run, pages: Path) -> None:
    (document,) = documents(run("read", "linux.jpg", "--json").stdout)
    assert (document["input"], document["model"]) == ("linux.jpg", "pp-ocrv6-small")
    assert len(document["lines"][0]["box"]) == 4
    assert document["lines"][0]["confidence"] > 0.5


def test_a_file_takes_the_text_and_never_an_inputs_place(run: Run, pages: Path) -> None:
    assert run("read", "linux.jpg", "-o", "read.txt").stdout == "read.txt\n"
    assert (pages / "read.txt").read_text(encoding="utf-8").lower().startswith("linux")
    assert run("read", "linux.jpg", "-o", "-").stdout.lower().startswith("linux")
    lost = run("read", "linux.jpg", "-o", "linux.jpg")
    assert (lost.exit_code, "linux.jpg" in lost.stderr) == (2, True)


def test_each_of_several_pictures_becomes_a_file_as_soon_as_it_is_read(
    run: Run, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = TextReader.read
    found: list[list[str]] = []

    def note_what_is_there(self: TextReader, *arguments: Any, **options: Any) -> Any:
        found.append(sorted(path.name for path in (pages / "texts").glob("*")))
        return read(self, *arguments, **options)

    monkeypatch.setattr(TextReader, "read", note_what_is_there)
    result = run("read", "linux.jpg", "cat.png", "-o", "texts")
    assert result.stdout.splitlines() == [str(Path("texts", name)) for name in ("linux.txt", "cat.txt")]
    assert found == [[], ["linux.txt"]]
    assert (pages / "texts" / "linux.txt").read_text(encoding="utf-8").lower().startswith("linux")
    assert (pages / "texts" / "cat.txt").read_text(encoding="utf-8") == ""
    one_place = run("read", "linux.jpg", "cat.png", "-o", "-")
    assert (one_place.exit_code, "folder" in one_place.stderr) == (2, True)


def test_a_damaged_picture_costs_the_others_nothing(run: Run, pages: Path) -> None:
    (pages / "broken.png").write_bytes((pages / "cat.png").read_bytes()[:2000])
    result = run("read", "broken.png", "linux.jpg", "--json")
    assert result.exit_code == 1
    assert "broken.png" in result.stderr
    assert [document["input"] for document in documents(result.stdout) if "error" not in document] == ["linux.jpg"]
