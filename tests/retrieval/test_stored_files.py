"""Pictures that lie in an object store themselves: the index holds their addresses."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.retrieval.index import SearchIndex
from sensorium.retrieval.results import Match
from sensorium.storage.opening import location_of
from sensorium.stored_path import path_or_address
from tests.object_storage import ObjectStorage, object_storage
from tests.refusals import refused
from tests.retrieval.album import SHOWN, number_of, save_photo


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running:
        yield running


def send(folder: Path, address: str) -> None:
    for path in sorted(folder.rglob("*.jpg")):
        location_of(address).join(str(path.relative_to(folder))).put(path)


def test_pictures_in_a_store_are_found_by_their_addresses(store: ObjectStorage, album: Path, tmp_path: Path) -> None:
    address = f"{store.bucket}/album"
    send(album, address)
    location_of(address).join("broken.jpg").write(b"\xff\xd8\xff nothing more")
    location_of(address).join("words.txt").write(b"words")
    index, local = SearchIndex(tmp_path / "index"), SearchIndex(tmp_path / "local")
    local.add(album)
    report = index.add(address)
    assert (report.added, [str(file.path) for file in report.skipped]) == (8, [f"{address}/broken.jpg"])
    assert [str(file.path) for file in report.passed_over] == [f"{address}/words.txt"]
    for name, text in SHOWN.items():
        here, there = local.search(text), index.search(text)
        assert [match.score for match in there] == [match.score for match in here]
        assert str(there[0].path) == str(here[0].path).replace(str(album), address), name
    below = index.search("a cat", under=f"{address}/more")
    assert len(below) == 4
    assert all(str(match.path).startswith(f"{address}/more/") for match in below)

    again = index.add(address)
    assert (again.added, again.unchanged, len(again.skipped)) == (0, 8, 1)
    location_of(address).join(f"{number_of('chelsea')}.jpg").put(save_photo("dog", tmp_path / "other.jpg", 200))
    location_of(address).join(f"{number_of('dog')}.jpg").delete()
    location_of(address).join("broken.jpg").put(save_photo("coffee", tmp_path / "mended.jpg", 200))
    changed = index.add([f"{address}/*.jpg", address])
    assert (changed.updated, changed.removed, changed.unchanged, changed.skipped) == (2, 1, 6, ())
    assert index.remove(f"{address}/more") == 4
    assert len(index) == 4


def test_what_is_missing_in_a_store_is_told(store: ObjectStorage, album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    with refused(InputError, f"{store.bucket}/nothing"):
        index.add(f"{store.bucket}/nothing")
    with refused(InputError, "nobody-made-this"):
        index.add("s3://nobody-made-this/album")
    address = f"{store.bucket}/lost"
    send(album / "more", address)
    assert index.add(address).added == 4
    for file in list(location_of(address).files()):
        file.location.delete()
    with refused(InputError, address, "4"):
        index.add(address)
    assert index.remove(address) == 4


def test_an_address_is_a_path_that_reads_as_it_was_written() -> None:
    address = path_or_address("s3://bucket/a//cat.jpg")
    assert isinstance(address, Path)
    assert (str(address), address.name, address.suffix) == ("s3://bucket/a//cat.jpg", "cat.jpg", ".jpg")
    assert str(address.parent) == "s3://bucket/a"
    assert str(pickle.loads(pickle.dumps(address))) == str(address)
    match = Match(address, "image", None, 0.5)
    assert match.to_dict()["path"] == "s3://bucket/a//cat.jpg"
    assert str(Match.from_dict(match.to_dict()).path) == "s3://bucket/a//cat.jpg"
    assert type(path_or_address("/photos/cat.jpg")) is type(Path())
