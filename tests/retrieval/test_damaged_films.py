"""The index keeps what is missing of a film, and says so whenever it is called for the film."""

from __future__ import annotations

import re
from pathlib import Path

from sensorium.retrieval.index import SearchIndex
from tests.films import film, truncated
from tests.retrieval.album import save_photo


def test_what_is_missing_of_a_film_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    save_photo("chelsea", folder / "cat.jpg")
    whole = film(tmp_path / "whole.mp4", 250, container_options={"movflags": "+faststart"})
    cut = truncated(whole, folder / "cut.mp4", 0.6)

    def said(index: SearchIndex, *paths: Path) -> list[str]:
        return [name for sentence in index.add(paths).warnings for name in re.findall(r"(\w+\.\w+) ", sentence)]

    index = SearchIndex(tmp_path / "index")
    assert set(said(index, folder)) == {"cut.mp4"}
    assert {file.path.name: bool(file.warnings) for file in index.files()} == {"cat.jpg": False, "cut.mp4": True}
    index.close()

    index = SearchIndex(tmp_path / "index")
    assert set(said(index, folder)) == {"cut.mp4"}, "nothing was read again"
    assert said(index, folder / "cat.jpg") == []
    cut.rename(folder / "other.mp4")
    assert set(said(index, folder)) == {"other.mp4"}, "known by its content"
    (sentence, *_) = next(file.warnings for file in index.files() if file.path.name == "other.mp4")
    assert "other.mp4 breaks off at second" in sentence
