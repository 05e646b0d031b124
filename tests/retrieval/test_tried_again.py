"""Files that can't be read: tried again when there is a reason to, and only then."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from sensorium.errors import InputError, InsufficientMemoryError
from sensorium.media import image as image_reader
from sensorium.media.limits import Limits
from sensorium.media.source import ResolvedMedia
from sensorium.retrieval import readers
from sensorium.retrieval.index import SearchIndex
from tests.refusals import refused
from tests.retrieval.album import save_photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photo, and one that is cut short; both written down long ago."""
    folder = tmp_path / "photos"
    folder.mkdir()
    save_photo("dog", folder / "dog.jpg")
    whole = save_photo("flower", folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 3])
    for file in folder.iterdir():
        os.utime(file, (1e9, 1e9))
    return folder


Decode: TypeAlias = Callable[[ResolvedMedia, Callable[[], Image.Image]], Image.Image]


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Callable[[Decode], AbstractContextManager[None]]:
    """Let a function see, and change, how pictures of files are decoded: it gets the file, and how it would be read."""
    read = image_reader.read_image

    @contextmanager
    def use(decode: Decode) -> Iterator[None]:
        def reading(source: object, **options: Any) -> Image.Image:
            if isinstance(source, ResolvedMedia):
                return decode(source, lambda: read(source, **options))
            return read(source, **options)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(image_reader, "read_image", reading)
            yield

    return use


def test_a_broken_file_is_decoded_once_as_long_as_nothing_changes(
    folder: Path, tmp_path: Path, instead: Callable[[Decode], AbstractContextManager[None]]
) -> None:
    decoded = []

    def noted(file: ResolvedMedia, read: Callable[[], Image.Image]) -> Image.Image:
        decoded.append(Path(file.name).name)
        return read()

    with instead(noted):
        for _ in range(3):
            report = SearchIndex(tmp_path / "index").add(folder)
            assert [skipped.path.name for skipped in report.skipped] == ["cut.jpg"]
            assert "cut.jpg" in report.skipped[0].reason
    assert sorted(decoded) == ["cut.jpg", "dog.jpg"]


def test_what_is_installed_later_may_read_it(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    instead: Callable[[Decode], AbstractContextManager[None]],
) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(folder)
    monkeypatch.setattr(readers, "_installed", lambda: "with a reader of broken pictures")
    with instead(lambda *_: Image.new("RGB", (64, 64), "red")):
        report = index.add(folder)
    assert (report.updated, report.unchanged, report.skipped) == (1, 1, ())
    assert len(index) == 2


def test_a_repair_that_keeps_size_and_time_is_noticed(folder: Path, tmp_path: Path) -> None:
    cut = folder / "cut.jpg"
    whole = save_photo("flower", tmp_path / "whole.jpg").read_bytes()
    cut.write_bytes(bytes(len(whole)))
    os.utime(cut, (1e9, 1e9))
    index = SearchIndex(tmp_path / "index")
    assert len(index.add(folder).skipped) == 1
    cut.write_bytes(whole)
    os.utime(cut, (1e9, 1e9))
    assert index.add(folder).skipped == ()
    assert index.search("a flower", limit=1)[0].path == cut


def test_a_limit_that_was_raised_lets_a_file_in(folder: Path, tmp_path: Path) -> None:
    save_photo("chelsea", folder / "cat.jpg", side=400)
    strict = Limits(max_side=350)
    for _ in range(2):
        report = SearchIndex(tmp_path / "index", limits=strict).add(folder)
        assert [skipped.path.name for skipped in report.skipped] == ["cat.jpg", "cut.jpg"]
    report = SearchIndex(tmp_path / "index").add(folder)
    assert [skipped.path.name for skipped in report.skipped] == ["cut.jpg"]
    assert report.updated == 1


def test_memory_that_ran_out_once_is_no_reason_for_ever(
    folder: Path, tmp_path: Path, instead: Callable[[Decode], AbstractContextManager[None]]
) -> None:
    def exhausted(*_: object) -> Image.Image:
        raise InsufficientMemoryError("Memory ran out", "Try again later")

    index = SearchIndex(tmp_path / "index")
    with instead(exhausted):
        assert len(index.add(folder / "dog.jpg").skipped) == 1
    assert index.add(folder / "dog.jpg").skipped == ()


@pytest.fixture
def ordinary_user() -> Iterator[SearchIndex]:
    """An index of an ordinary user, as whom the test runs, beside a folder "photos" with three photos."""
    with tempfile.TemporaryDirectory() as name:
        user, ordinary = os.geteuid(), 65534
        folder = Path(name)
        (folder / "photos" / "closed").mkdir(parents=True)
        save_photo("dog", folder / "photos" / "dog.jpg")
        save_photo("chelsea", folder / "photos" / "shut.jpg")
        save_photo("flower", folder / "photos" / "closed" / "flower.jpg")
        # Where Python and the checkpoints lie, such a user may not look.
        index = SearchIndex(folder / "index").load()
        if user == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, ordinary, ordinary)
            os.seteuid(ordinary)
        try:
            yield index
        finally:
            os.seteuid(user)


def test_permission_that_is_given_later_lets_files_in(ordinary_user: SearchIndex) -> None:
    index, photos = ordinary_user, Path(ordinary_user._location).parent / "photos"
    (photos / "shut.jpg").chmod(0)
    (photos / "closed").chmod(0)
    report = index.add(photos)
    assert {skipped.path.name for skipped in report.skipped} == {"shut.jpg", "closed"}
    assert all("permission denied" in skipped.reason for skipped in report.skipped)
    (photos / "shut.jpg").chmod(0o600)
    (photos / "closed").chmod(0o700)
    report = index.add(photos)
    assert (report.added, report.unchanged, report.skipped) == (2, 1, ())

    (photos / "closed").chmod(0)
    report = index.add(photos)
    assert (report.removed, report.unchanged) == (0, 2), "what can't be looked at isn't gone"
    found = index.search("a flower", limit=1)
    assert (found[0].path, found.warnings) == (photos / "closed" / "flower.jpg", ())
    (photos / "closed").chmod(0o700)


def test_an_index_that_may_only_be_read_is_searched(ordinary_user: SearchIndex) -> None:
    index, place = ordinary_user, Path(ordinary_user._location)
    dog = place.parent / "photos" / "dog.jpg"
    index.add(dog)
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    (place / ".writing.lock").chmod(0o400)
    try:
        assert index.search("a dog", limit=1)[0].path == dog
        with refused(InputError, str(place), "written"):
            index.add(dog.parent)
        with refused(InputError, str(place), "written"):
            index.remove(dog)
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_a_file_that_changes_while_it_is_encoded_is_read_again(
    folder: Path, tmp_path: Path, instead: Callable[[Decode], AbstractContextManager[None]]
) -> None:
    dog, before = folder / "dog.jpg", (folder / "dog.jpg").read_bytes()

    def replaced_first(file: ResolvedMedia, read: Callable[[], Image.Image]) -> Image.Image:
        if file.path == dog:
            save_photo("chelsea", dog)
        return read()

    index = SearchIndex(tmp_path / "index")
    with instead(replaced_first):
        index.add(dog)
    (folder / "copy of the dog.jpg").write_bytes(before)
    report = index.add(folder)
    assert report.reused == 0, "vectors of the cat don't stand for the dog"
    assert index.search("a dog", limit=1)[0].path.name == "copy of the dog.jpg"
    assert index.search("a cat", limit=1)[0].path.name == "dog.jpg"
