"""Items of a batch run in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import PIL.Image
import pytest

from sensorium.batch.item import BatchItem, folder_name, item_id
from sensorium.batch.item_worker import BatchWork, ItemWorker
from sensorium.batch.runner import BatchRunner, PlainRunner, weighed_groups
from sensorium.errors import CancelledError, InputError
from sensorium.storage.opening import location_of
from tests.object_storage import object_storage
from tests.real_media import photo


def item(operation: str, weight: float = 1.0, error: str = "", **fields: object) -> BatchItem:
    id = item_id(operation, fields, {})
    return BatchItem(id, str(next(iter(fields.values()))), folder_name("item", id), fields, weight, error)


def test_pictures_of_a_bucket_are_classified_in_one_pass_and_a_broken_one_costs_itself(tmp_path: Path) -> None:
    with object_storage() as store:
        bucket = location_of(store.bucket)
        bucket.join("cat.jpg").put(photo("chelsea"))
        bucket.join("broken.jpg").write(b"\xff\xd8\xff nothing more")
        addresses = [bucket.join(name).address for name in ("cat.jpg", "broken.jpg", "missing.jpg")]
        items = [item("classify", image=each, labels=["cat", "dog"]) for each in (*addresses, str(photo("chelsea")))]
        items.append(item("classify", image=str(photo("chelsea"))))
        items.append(item("classify", image=str(photo("chelsea")), error="The row has no labels."))
        worker = ItemWorker(BatchWork("classify", str(tmp_path)))
        outcomes = {outcome.id: outcome for outcome in worker.run(items, threading.Event())}
        worker.close()
    found = [outcomes[each.id] for each in items]
    assert [bool(outcome.error) for outcome in found] == [False, True, True, False, True, True]
    assert {json.loads(outcome.result)["labels"][0]["label"] for outcome in found if outcome.result} == {"cat"}
    assert {outcome.model for outcome in found if outcome.result} != {""}
    for outcome, name in zip(found[1:3], ("broken.jpg", "missing.jpg"), strict=True):
        assert name in outcome.error
        assert outcome.error_type == "InputError"
    assert "labels" in found[4].error
    assert found[5].error == "The row has no labels."


def test_files_go_to_a_folder_of_the_item(tmp_path: Path) -> None:
    picture = tmp_path / "grey.png"
    PIL.Image.new("RGB", (64, 64), "grey").save(picture)
    asked = item("control-map", image=str(picture), control="canny")
    for output in (tmp_path / "a", tmp_path / "b"):
        worker = ItemWorker(BatchWork("control-map", str(output)))
        [outcome] = worker.run([asked], threading.Event())
        assert not outcome.error
        [file] = outcome.files
        assert file.startswith(f"files/{asked.name}/")
        with PIL.Image.open(output / file) as image:
            assert image.size == (64, 64)
        assert outcome.model == "opencv"


def test_a_batch_that_is_cancelled_stops_before_the_next_item(tmp_path: Path) -> None:
    cancel = threading.Event()
    runner: BatchRunner = PlainRunner()

    def items() -> Iterator[BatchItem]:
        for number in range(100):
            yield item("build-prompt", weight=100.0, subject=f"house {number}")

    outcomes = runner.run(items(), BatchWork("build-prompt", str(tmp_path)), cancel)
    assert "house 0" in next(outcomes).result
    cancel.set()
    with pytest.raises(CancelledError):
        list(outcomes)


def test_groups_are_neither_too_many_nor_too_heavy() -> None:
    def sizes(weights: Sequence[float]) -> list[int]:
        items = (item("caption", weight, image=str(number)) for number, weight in enumerate(weights))
        return [len(group) for group in weighed_groups(items, 3, 10.0)]

    assert sizes([]) == []
    assert sizes([1, 1, 1, 1, 1, 1, 1]) == [3, 3, 1]
    assert sizes([6, 6, 6]) == [1, 1, 1]
    assert sizes([50, 1, 1]) == [1, 2]


def test_an_unknown_operation_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="classify"):
        ItemWorker(BatchWork("clasify", str(tmp_path)))
