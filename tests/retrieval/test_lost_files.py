"""Files that aren't where they were indexed: moved ones, deleted ones, and those on a drive that is away."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.retrieval.columns import ADDED_LATER
from sensorium.retrieval.index import SearchIndex
from tests.refusals import refused
from tests.retrieval.album import save_photo


@pytest.fixture
def index(album: Path, tmp_path: Path) -> SearchIndex:
    """The album, indexed."""
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    return index


def test_a_folder_that_moved_is_known_by_the_contents_of_its_files(
    index: SearchIndex, album: Path, tmp_path: Path
) -> None:
    shutil.copy(album / "0.jpg", album / "a copy of 0.jpg")
    (album / "broken.jpg").write_text("no picture")
    index.add(album)
    moved = album.rename(tmp_path / "elsewhere")
    report = index.add(moved)
    assert (report.moved, report.added, report.updated, report.removed, report.reused) == (9, 0, 0, 0, 9)
    assert [skipped.path for skipped in report.skipped] == [moved / "broken.jpg"]
    found = index.search("a cat", limit=99)
    assert {match.path for match in found} == {file for file in moved.rglob("*.jpg") if file.stem != "broken"}
    assert found.warnings == ()
    assert len(index) == 9


def test_a_copy_takes_nothing_away_from_what_it_is_a_copy_of(index: SearchIndex, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album, tmp_path / "copy")
    report = index.add(tmp_path / "copy")
    assert (report.moved, report.added, report.removed) == (0, 8, 0)
    assert len(index) == 16


def test_what_is_missing_is_not_found_but_told_of_once(index: SearchIndex, album: Path, tmp_path: Path) -> None:
    (album / "0.jpg").unlink()
    found = index.search("a cat", limit=3)
    assert len(found) == 3, "others take its place"
    assert album / "0.jpg" not in {match.path for match in found}
    [told] = found.warnings
    assert str(album / "0.jpg") in told
    assert f"sensorium index --remove {album / '0.jpg'} --to {tmp_path / 'index'}" in told

    (album / "more").rename(tmp_path / "more")
    found = index.search("a cat", limit=99)
    assert len(found) == 3
    [told] = found.warnings
    assert told.startswith("5 files")
    assert len(index) == 8, "searching takes nothing out"
    (tmp_path / "more").rename(album / "more")
    assert len(index.search("a cat", limit=99)) == 7


def test_a_search_that_misses_nothing_near_tells_nothing(index: SearchIndex, album: Path) -> None:
    (album / "0.jpg").unlink()
    assert index.search("an orange", limit=1).warnings == ()


def test_a_folder_that_is_not_there_is_not_searched_in_vain(index: SearchIndex, album: Path, tmp_path: Path) -> None:
    with refused(InputError, str(tmp_path / "absent")):
        index.search("a cat", under=tmp_path / "absent")
    with refused(InputError, str(album / "0.jpg")):
        index.search("a cat", under=album / "0.jpg")
    (tmp_path / "other").mkdir()
    with refused(InputError, str(tmp_path / "other")):
        index.search("a cat", under=tmp_path / "other")
    (album / "more").rename(tmp_path / "more")
    with refused(InputError, str(album / "more"), "sensorium index --remove"):
        index.search("a cat", under=album / "more")


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on which a drive seems to be mounted as long as there is a file called "mounted" in it."""
    drive = tmp_path / "drives" / "usb"
    drive.mkdir(parents=True)
    (drive / "mounted").touch()
    really = os.path.ismount
    monkeypatch.setattr(
        os.path, "ismount", lambda path: (drive / "mounted").exists() if Path(path) == drive else really(path)
    )
    return drive


def test_a_drive_that_is_away_loses_nothing(index: SearchIndex, album: Path, drive: Path, tmp_path: Path) -> None:
    (drive / "photos").mkdir()
    save_photo("aloe", drive / "photos" / "aloe.jpg")
    save_photo("butterfly", drive / "butterfly.jpg")
    shutil.copy(album / "0.jpg", drive / "cat.jpg")
    index.add(tmp_path / "drives")
    away = tmp_path / "away"
    drive.rename(away)
    drive.mkdir()
    save_photo("coffee", tmp_path / "drives" / "cup.jpg")
    report = index.add(tmp_path / "drives")
    assert (report.added, report.removed) == (1, 0)
    assert [skipped.path for skipped in report.skipped] == [drive]
    found = index.search("a butterfly", limit=1)
    assert drive / "butterfly.jpg" not in {match.path for match in found}
    [told] = found.warnings
    assert str(drive) in told
    assert "--remove" not in told

    shutil.copy(away / "cat.jpg", tmp_path / "drives" / "the same cat.jpg")
    assert index.add(tmp_path / "drives").moved == 0, "the one on the drive may well be there still"

    drive.rmdir()
    away.rename(drive)
    report = index.add(tmp_path / "drives")
    assert (report.added, report.unchanged, report.removed, report.skipped) == (0, 5, 0, ())
    (drive / "butterfly.jpg").unlink()
    assert index.add(tmp_path / "drives").removed == 1, "while it is there, what is missing on it is gone"


def test_one_file_under_two_names_is_found_once(index: SearchIndex, album: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(album)
    assert len(index.search("a cat", limit=99, under=linked / "more")) == 4, "a folder is known by any of its names"
    index.add(linked)
    assert len(index.search("a cat", limit=99)) == 8
    os.link(album / "0.jpg", album / "hard link.jpg")
    index.add(album)
    assert len(index.search("a cat", limit=99)) == 9 + 1, "hard links are files of their own"
    linked.unlink()
    assert len(index.search("a cat", limit=99)) == 9
    assert index.remove(linked) == 8


def test_a_folder_is_known_by_capital_and_small_letters(
    index: SearchIndex, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that doesn't tell them apart, as those of most desktops."""
    folded = {str(path).casefold(): path for path in [album, *album.rglob("*")]}
    for name in ("stat", "lstat"):
        look = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path, look=look, **o: look(folded.get(str(path).casefold(), path), **o))
    capitals = tmp_path / "ALBUM"
    assert capitals.is_dir()
    assert len(index.search("a cat", limit=99, under=capitals / "MORE")) == 4
    assert index.remove(capitals / "0.JPG") == 1
    assert index.remove(capitals) == 7


def test_an_index_that_moved_goes_on(index: SearchIndex, album: Path, tmp_path: Path) -> None:
    (tmp_path / "index").rename(tmp_path / "new place")
    with refused(InputError, str(tmp_path / "index")):
        index.search("a cat")
    moved = SearchIndex(tmp_path / "new place")
    assert moved.search("a cat", limit=1)[0].path == album / "0.jpg"
    assert moved.add(album).unchanged == 8


def test_an_index_of_before_mounts_were_noted_goes_on(index: SearchIndex, album: Path, tmp_path: Path) -> None:
    import lance

    (album / "broken.jpg").write_text("no picture")
    index.add(album)
    lance.dataset(str(tmp_path / "index" / "media.lance")).drop_columns(list(ADDED_LATER))
    old = SearchIndex(tmp_path / "index")
    assert old.search("a cat", limit=1)[0].path == album / "0.jpg"
    (album / "0.jpg").rename(album / "cat.jpg")
    report = old.add(album)
    assert (report.moved, report.unchanged, len(report.skipped)) == (1, 7, 1)
    assert old.search("a cat", limit=1)[0].path == album / "cat.jpg"
