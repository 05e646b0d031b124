"""What is damaged, misused or too small around a batch is told in one sentence, and costs no item that is done."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import date
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from sensorium.batch.item_worker import BatchWork, ItemWorker
from sensorium.batch.job import BatchOptions, BatchSummary, BatchWatch, run_batch
from sensorium.batch.planning import BatchPlan
from sensorium.batch.runner import PlainRunner
from sensorium.errors import InputError
from sensorium.storage.opening import location_of
from tests.refusals import refused


def run(folder: Path, *inputs: str | Path, operation: str = "build-prompt") -> BatchSummary:
    plan = BatchPlan(operation, tuple(map(str, inputs)), location_of(folder / "out"), {})
    plan.check()
    return run_batch(plan, PlainRunner(), BatchOptions(), BatchWatch(threading.Event(), lambda *_: None))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_seed_that_no_column_holds_spoils_no_later_batch(tmp_path: Path) -> None:
    seed = 1 << 70
    rows = written(tmp_path / "rows.jsonl", json.dumps({"subject": "a cat", "seed": seed}))
    assert run(tmp_path, rows).done == 1
    assert run(tmp_path, written(tmp_path / "more.jsonl", '{"subject": "a dog"}')).rows == 2


@pytest.mark.parametrize("damage", [b"", b"PAR1 no table", None])
def test_a_damaged_manifest_is_told_and_can_be_moved_away(tmp_path: Path, damage: bytes | None) -> None:
    rows, manifest = written(tmp_path / "rows.txt", "a cat\na dog\n"), tmp_path / "out" / "manifest.parquet"
    assert run(tmp_path, rows).done == 2
    if damage is None:
        pyarrow.parquet.write_table(pyarrow.table({"other": [1]}), manifest)
    else:
        manifest.write_bytes(damage)
    with refused(InputError, "manifest.parquet"):
        run(tmp_path, rows)
    manifest.rename(tmp_path / "away")
    assert run(tmp_path, rows).done == 2


@pytest.mark.parametrize("damage", ["", "[1]", "{}", None])
def test_what_an_output_is_of_can_be_written_anew(tmp_path: Path, damage: str | None) -> None:
    rows, claim = written(tmp_path / "rows.txt", "a cat\n"), tmp_path / "out" / ".batch" / "batch.json"
    assert run(tmp_path, rows).done == 1
    if damage is None:
        shutil.rmtree(claim.parent)
    else:
        claim.write_text(damage)
    with refused(InputError, "batch.json") as told:
        run(tmp_path, rows)
    remedy = str(told.value)
    claim.parent.mkdir(exist_ok=True)
    claim.write_text(remedy[remedy.index("{") : remedy.index("}") + 1])
    assert run(tmp_path, rows).skipped == 1


def test_what_was_at_work_may_be_damaged(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.txt", "a cat\n")
    (tmp_path / "out" / ".batch").mkdir(parents=True)
    (tmp_path / "out" / ".batch" / "at-work.json").write_text('{"suspects": 3')
    assert run(tmp_path, rows).done == 1


def test_tables_that_hold_what_no_field_can(tmp_path: Path) -> None:
    columns = {"subject": ["a cat", "a dog"], "style": [date(2026, 1, 1), None]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "dates.parquet")
    summary = run(tmp_path, tmp_path / "dates.parquet")
    assert (summary.done, summary.failed) == (1, 1)
    doubled = pyarrow.table([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["subject", "subject"])
    pyarrow.parquet.write_table(doubled, tmp_path / "doubled.parquet")
    with refused(InputError, "doubled.parquet", "same name"):
        run(tmp_path, tmp_path / "doubled.parquet")
    with refused(InputError, "marks.csv", "semicolons"):
        run(tmp_path, written(tmp_path / "marks.csv", "subject;style\na cat;oil\n"))
    deep = written(tmp_path / "deep.jsonl", '{"subject": "a fish"}\n' + "[" * 100_000 + "\n")
    assert run(tmp_path, deep).failed == 1


def test_an_input_without_a_name_is_not_the_whole_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with refused(InputError, "no name"):
        run(tmp_path, "")


def test_a_place_that_takes_no_files_is_no_fault_of_the_item(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "files").write_text("in the way")
    plan = BatchPlan("speak", (str(written(tmp_path / "words.txt", "Hello.\n")),), location_of(tmp_path / "out"), {})
    plan.check()
    worker = ItemWorker(BatchWork("speak", str(tmp_path / "out")))
    try:
        (outcome,) = worker.run(list(plan.items()), threading.Event())
    finally:
        worker.close()
    assert outcome.error_type == "StorageError"
