"""Files whose names are no valid Unicode: photos from old disks and archives are often called so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.retrieval.conditions import paths_below
from sensorium.retrieval.index import SearchIndex
from sensorium.retrieval.stored_paths import restored, stored
from tests.refusals import refused
from tests.retrieval.album import save_photo


def named(folder: Path, name: bytes) -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


@pytest.mark.parametrize(
    "path", ["/plain/a.jpg", "/caf\udce9.jpg", "/ünï/😀.jpg", "/\udc80\udcff", "/\udcc3/0dce9", "/a\ud800b"]
)
def test_a_path_comes_back_as_it_was(path: str) -> None:
    stored(path).encode("utf-8")
    assert restored(stored(path)) == path
    first, end = paths_below(path)
    assert first <= stored(f"{path}/\udcff") < end


def test_files_and_folders_of_any_name_are_indexed_found_and_taken_out(tmp_path: Path) -> None:
    folder = named(tmp_path, b"caf\xe9")
    folder.mkdir()
    cat = save_photo("chelsea", tmp_path / "x.jpg").rename(named(folder, b"\xff\xfe it's a cat\n.jpg"))
    dog = save_photo("dog", folder / "dog 🐶 \u202e.jpg")
    index = SearchIndex(tmp_path / "index")
    assert index.add(folder).added == 2
    assert SearchIndex(tmp_path / "index").add(folder).unchanged == 2
    assert index.search("a cat", limit=1)[0].path == cat
    assert {match.path for match in index.search("a cat", under=folder)} == {cat, dog}
    assert {file.path for file in index.files()} == {cat, dog}
    moved = cat.rename(named(folder, b"\xe9.jpg"))
    report = index.add(folder)
    assert (report.moved, report.skipped) == (1, ())
    assert index.search("a cat", limit=1)[0].path == moved
    assert index.remove(moved) == 1
    moved.unlink()
    dog.unlink()
    assert index.remove(folder) == 1


def test_an_index_needs_a_name_of_valid_unicode(tmp_path: Path) -> None:
    place = named(tmp_path, b"caf\xe9")
    with refused(InputError, "caf\\udce9", "Unicode"):
        SearchIndex(place)
