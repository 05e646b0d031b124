"""The manifest: a row for each item, whatever ends the batch that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from sensorium.batch import journal as journal_module
from sensorium.batch.finished import FinishedItems
from sensorium.batch.item import ItemOutcome, folder_name, item_id
from sensorium.batch.journal import Journal, journal_files, read_journal
from sensorium.batch.manifest import Manifest, ManifestKind
from sensorium.storage.location import Location
from sensorium.storage.opening import location_of
from tests.object_storage import ObjectStorage, object_storage


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running:
        yield running


@pytest.fixture(params=["folder", "bucket"])
def output(request: pytest.FixtureRequest, store: ObjectStorage, tmp_path: Path) -> Location:
    return location_of(tmp_path / "out") if request.param == "folder" else location_of(store.new_bucket() + "/out")


def outcome(number: int, error: str = "", error_type: str = "") -> ItemOutcome:
    id = item_id("classify", {"image": f"/{number}.png"}, {})
    result = "" if error else f'{{"label": "cat {number}"}}'
    files = () if error else (f"files/{number}/a.png", f"files/{number}/b.png")
    return ItemOutcome(id, f"/{number}.png", result, files, "tiny", number, error=error, error_type=error_type)


@pytest.mark.parametrize("kind", ["parquet", "lance"])
def test_what_was_noted_becomes_a_table_with_each_item_once(output: Location, kind: ManifestKind) -> None:
    manifest = Manifest(output, kind)
    assert len(manifest.finished()) == 0
    journal = Journal(manifest.journal)
    noted = [outcome(1), outcome(2, "It is broken.", "InputError"), outcome(3, "No answer.", "StorageError")]
    for each in noted:
        journal.add(each)
    journal.close()
    for file in noted[0].files:
        output.join(file).write(b"made")
    assert manifest.compact() == 3
    assert manifest.compact() == 3
    assert journal_files(manifest.journal) == []
    assert list(manifest.outcomes()) == noted
    assert [each.id in manifest.finished() for each in noted] == [True, True, False]
    assert [each.id in manifest.finished(retry_errors=True) for each in noted] == [True, False, False]
    output.join(noted[0].files[1]).delete()
    told: list[str] = []
    left = manifest.finished(note=told.append)
    assert [each.id in left for each in noted] == [False, True, False]
    assert [noted[0].files[1] in sentence for sentence in told] == [True]

    again = Journal(manifest.journal)
    for each in (outcome(2), outcome(3), outcome(4), outcome(4)):
        again.add(each)
    again.close()
    assert manifest.compact() == 4
    assert list(manifest.outcomes()) == [outcome(1), outcome(2), outcome(3), outcome(4)]


def test_a_kill_while_the_table_is_made_loses_and_doubles_nothing(
    output: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest(output)
    journal = Journal(manifest.journal)
    for number in range(5):
        journal.add(outcome(number))
    journal.close()
    with monkeypatch.context() as patch:
        patch.setattr(type(output), "delete", lambda self: None)  # killed between the table and the journal
        assert manifest.compact() == 5
    assert journal_files(manifest.journal)
    assert manifest.compact() == 5
    assert [each.seed for each in manifest.outcomes()] == [0, 1, 2, 3, 4]


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    folder = location_of(tmp_path)
    journal = Journal(folder)
    journal.add(outcome(1))
    journal.add(outcome(2))
    journal.close()
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert list(read_journal(location_of(file))) == [outcome(1)]


def test_a_full_file_is_followed_by_another(output: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_FULL_BYTES", 500)
    journal = Journal(output)
    for number in range(7):
        journal.add(outcome(number))
    journal.close()
    files = journal_files(output)
    assert len(files) > 2
    assert [each for file in files for each in read_journal(file.location)] == [outcome(number) for number in range(7)]


def test_outcomes_are_kept_at_once_in_a_folder_and_within_a_second_in_a_bucket(output: Location) -> None:
    journal = Journal(output)
    journal.add(outcome(1))
    [file] = journal_files(output)
    assert list(read_journal(file.location)) == [outcome(1)]
    journal.add(outcome(2))
    journal.flush()
    [file] = journal_files(output)
    assert list(read_journal(file.location)) == [outcome(1), outcome(2)]
    journal.close()


def test_names_that_are_no_unicode_are_written_down(tmp_path: Path) -> None:
    manifest = Manifest(location_of(tmp_path))
    journal = Journal(manifest.journal)
    journal.add(ItemOutcome(item_id("caption", {}, {}), "/caf\udce9.png", "{}"))
    journal.close()
    manifest.compact()
    assert pyarrow.parquet.read_table(tmp_path / "manifest.parquet")["input"].to_pylist() == [r"/caf\udce9.png"]


def test_many_finished_items_are_found_again() -> None:
    ids = [item_id("embed", {"texts": [str(number)]}, {}) for number in range(3000)]
    finished = FinishedItems.of(ids[::2])
    assert [id in finished for id in ids] == [number % 2 == 0 for number in range(3000)]
    shared = ids[0][:16] + "0" * 16
    assert shared not in finished


def test_ids_change_with_all_that_matters() -> None:
    plain = item_id("classify", {"image": "/a.png", "labels": ["cat"]}, {"/a.png": "1"})
    assert plain == item_id("classify", {"labels": ["cat"], "image": "/a.png"}, {"/a.png": "1"})
    others = {
        item_id("caption", {"image": "/a.png", "labels": ["cat"]}, {"/a.png": "1"}),
        item_id("classify", {"image": "/a.png", "labels": ["dog"]}, {"/a.png": "1"}),
        item_id("classify", {"image": "/a.png", "labels": ["cat"]}, {"/a.png": "2"}),
    }
    assert len(others | {plain}) == 4


@pytest.mark.parametrize(
    ("stem", "begins"),
    [("my cat", "my-cat-"), ("../../x", "x-"), ("con", "_con-"), ("猫", "猫-"), ("...", ""), ("a" * 300, "aaa")],
)
def test_names_of_folders_are_safe(stem: str, begins: str) -> None:
    id = item_id("caption", {"image": stem}, {})
    name = folder_name(stem, id)
    assert name.startswith(begins)
    assert name.endswith(id[:12])
    assert len(name) <= 80
    assert not set(name) & set('/\\:*?"<>| ')
    assert name.strip(".") == name
