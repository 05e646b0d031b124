"""From files, folders, patterns, addresses and tables to the items of a batch."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from sensorium.answer import Answer
from sensorium.batch.item import BatchItem
from sensorium.batch.item_worker import BatchWork, ItemWorker
from sensorium.batch.planning import BatchPlan
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.operations.registry import all_operations
from sensorium.storage.opening import location_of
from tests.object_storage import ObjectStorage, object_storage
from tests.real_media import film, photo, speech_clips
from tests.refusals import refused


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running:
        yield running


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "media" / "inner").mkdir(parents=True)
    for source, name in (
        (photo("chelsea"), "cat.png"),
        (photo("coffee"), "inner/coffee.png"),
        (speech_clips("en")[0].path, "talk.wav"),
        (film("tree"), "tree.mp4"),
    ):
        shutil.copy(source, tmp_path / "media" / name)
    (tmp_path / "media" / "words.txt").write_text("a red house\n\n  a blue car \n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "media"


def items(operation: str, *inputs: str | Path, output: str | Path = "out", **fields: str) -> list[BatchItem]:
    plan = BatchPlan(operation, tuple(map(str, inputs)), location_of(output), fields)
    plan.check()
    return list(plan.items())


NEEDED: dict[str, dict[str, str]] = {
    "ask": {"question": "What is it?"},
    "ask-film": {"question": "What is it?"},
    "classify": {"labels": "cat,dog"},
    "clone": {"reference": "media/talk.wav", "consent": "I am the speaker"},
    "control": {"prompt": "a dog", "controls": '["canny"]'},
    "diarize": {"model": "nemotron-3-diarization"},
    "edit": {"prompt": "a dog"},
    "find-moment": {"text": "a cat"},
    "paint-again": {"model": "stable-diffusion-v1-5"},
    "vary": {"model": "kandinsky-2-2"},
}
"""What an operation needs beside its input."""


@pytest.mark.parametrize("name", all_operations())
def test_every_operation_runs_as_a_batch(name: str, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operation = all_operations()[name]
    answered = Answer("Yes.", model="tiny")
    monkeypatch.setattr(operation, "run", lambda self, tasks, report: answered)
    monkeypatch.setattr(operation, "batch_key", lambda self: None)
    texts = name in {"build-prompt", "chat", "clone", "count-tokens", "imagine", "speak"}
    planned = items(name, "media/words.txt" if texts else "media", **NEEDED.get(name, {}))
    assert planned, "no input of any kind fits"
    outcomes = list(ItemWorker(BatchWork(name, "out")).run(planned, threading.Event()))
    assert [outcome.error for outcome in outcomes] == [""] * len(planned)
    assert all("Yes." in outcome.result and outcome.model == "tiny" for outcome in outcomes)
    assert len({item.name for item in planned}) == len(planned)


def test_only_media_of_the_kinds_that_an_operation_takes_are_inputs(media: Path) -> None:
    def names(operation: str, **fields: str) -> list[str]:
        return [Path(item.input).name for item in items(operation, "media", **fields)]

    assert names("caption") == ["cat.png", "coffee.png"]
    assert names("transcribe") == ["talk.wav", "tree.mp4"]
    assert names("describe-film") == ["tree.mp4"]
    [cat, talk, coffee] = items("embed", "media")
    assert (list(cat.fields), list(talk.fields), list(coffee.fields)) == (["images"], ["sounds"], ["images"])
    assert [round(item.weight, 2) for item in (cat, coffee)] == [0.14, 0.24]
    assert 1 < talk.weight < 60


def test_an_item_is_known_again_until_something_changes(media: Path) -> None:
    before = {item.id for item in items("caption", "media")}
    assert before == {item.id for item in items("caption", str(media), "media/*.png", output="elsewhere")}
    assert before.isdisjoint({item.id for item in items("caption", "media", max_new_tokens="7")})
    shutil.copy(photo("rocket"), media / "cat.png")
    assert len(before & {item.id for item in items("caption", "media")}) == 1


def test_a_change_of_a_file_that_all_items_share_makes_new_items(media: Path) -> None:
    options = {"reference": "media/talk.wav", "consent": "I am the speaker"}
    before = items("clone", "media/words.txt", **options)
    assert before[0].fields["reference"] == str(media / "talk.wav")
    shutil.copy(speech_clips("en")[1].path, media / "talk.wav")
    assert before[0].id != items("clone", "media/words.txt", **options)[0].id


def test_what_a_batch_has_made_is_no_input_of_the_next(media: Path) -> None:
    (media / "files" / "cat-1234").mkdir(parents=True)
    shutil.copy(media / "cat.png", media / "files" / "cat-1234" / "map.png")
    assert len(items("control-map", "media", output="media")) == 2
    assert len(items("control-map", "media", output="out")) == 3


ROWS: Sequence[Mapping[str, Any]] = (
    {"image": "cat.png", "labels": ["cat", "dog"]},
    {"image": "inner/coffee.png", "labels": ["cup"]},
)


def write_csv(path: Path) -> None:
    path.write_text('image,labels\ncat.png,"cat,dog"\ninner/coffee.png,"[""cup""]"\n', encoding="utf-8-sig")


def write_tsv(path: Path) -> None:
    path.write_text("image\tlabels\ncat.png\tcat,dog\ninner/coffee.png\tcup\n")


def write_json_lines(path: Path) -> None:
    path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")


def write_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([*ROWS]), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.csv", write_csv), ("a.tsv", write_tsv), ("a.jsonl", write_json_lines), ("a.parquet", write_parquet)],
)
def test_a_table_has_a_column_for_each_field(name: str, write: Any, media: Path, store: ObjectStorage) -> None:
    write(media / name)
    here = items("classify", f"media/{name}")
    assert [item.error for item in here] == ["", ""]
    assert [item.fields for item in here] == [{**row, "image": str(media / row["image"])} for row in ROWS]
    assert json.loads(here[0].input)["image"] == "cat.png"

    bucket = location_of(store.new_bucket())
    bucket.join("lists", name).put(media / name)
    bucket.join("lists", "cat.png").put(media / "cat.png")
    there = items("classify", f"{bucket}/lists/{name}")
    assert there[0].fields["image"] == f"{bucket}/lists/cat.png"
    bucket.join("lists", "cat.png").put(media / "inner" / "coffee.png")
    changed = items("classify", f"{bucket}/lists/{name}")
    assert [one.id == other.id for one, other in zip(there, changed, strict=True)] == [False, True]


def test_cells_are_read_as_their_fields_want_them(media: Path) -> None:
    (media / "a.csv").write_text("prompt,steps,seed,previews,negative_prompt\n42,3,,true,\nnull,4,7,false,blur\n")
    first, second = items("imagine", "media/a.csv")
    assert first.fields == {"prompt": "42", "steps": 3, "previews": True}
    assert second.fields == {"prompt": "null", "steps": 4, "seed": 7, "previews": False, "negative_prompt": "blur"}
    assert first.error == second.error == ""


def test_a_broken_row_is_an_item_with_its_sentence(media: Path) -> None:
    lines = ('"labels": ["a"]}', '"labels"', '"labels": 5}', '"lable": 1}')
    (media / "a.jsonl").write_text("\n".join(f'{{"image": "cat.png", {line}' for line in lines))
    (media / "b.csv").write_text("image,labels\ncat.png,a,b\n")
    good, *broken = items("classify", "media/a.jsonl", "media/b.csv")
    assert good.error == ""
    for item, named in zip(broken, ("Line 2", "labels", "lable", "Row 2"), strict=True):
        assert named in item.error


def test_a_quote_that_is_not_closed_costs_the_rows_before_it_nothing(media: Path) -> None:
    (media / "a.csv").write_text('text\na house\n"a "red" car"\n"a boat\na tree\n')
    house, car, boat = items("speak", "media/a.csv")
    assert house.error == ""
    assert "Row 3" in car.error
    assert "Row 4" in boat.error
    assert "line 5" in boat.error


def test_a_bucket_is_listed_and_selected(store: ObjectStorage, media: Path) -> None:
    bucket = location_of(store.new_bucket())
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/talk.wav", "b/.hidden.png", "files/old/4.png"):
        bucket.join(name).put(media / ("talk.wav" if name.endswith("wav") else "cat.png"))

    def names(*inputs: str, output: str = "out") -> list[str]:
        return [item.input.removeprefix(f"{bucket}/") for item in items("caption", *inputs, output=output)]

    assert names(bucket.address) == ["a/1.png", "a/2.png", "b/3.png", "files/old/4.png"]
    assert names(bucket.address, output=bucket.address) == ["a/1.png", "a/2.png", "b/3.png"]
    assert names(f"{bucket}/?/[12].png") == ["a/1.png", "a/2.png"]
    assert names(f"{bucket}/b/3.png", f"{bucket}/a") == ["b/3.png", "a/1.png", "a/2.png"]
    before = items("caption", f"{bucket}/a")
    bucket.join("a", "1.png").put(media / "inner" / "coffee.png")
    after = items("caption", f"{bucket}/a")
    assert [one.id == other.id for one, other in zip(before, after, strict=True)] == [False, True]


def test_lines_of_a_text_are_items(media: Path) -> None:
    assert [item.input for item in items("speak", "media/words.txt")] == ["a red house", "a blue car"]
    [line, _] = items("chat", "media/words.txt")
    assert line.fields == {"messages": [{"role": "user", "content": "a red house"}]}
    assert line.name.startswith("a-red-house-")


@pytest.mark.parametrize(
    ("operation", "inputs", "fields", "named"),
    [
        ("clasify", ["media"], {}, ["classify"]),
        ("classify", ["media"], {}, ["labels"]),
        ("classify", ["media"], {"label": "a"}, ["label", "labels"]),
        ("imagine", ["media/words.txt"], {"steps": "many"}, ["steps", "many"]),
        ("caption", [], {}, ["inputs"]),
        ("caption", ["media/nothing"], {}, ["nothing"]),
        ("caption", ["media/*.bmp"], {}, ["*.bmp"]),
        ("caption", ["-"], {}, ["standard input"]),
        ("caption", ["media/words.txt"], {}, ["caption", "words.txt"]),
        ("speak", ["media"], {}, ["speak", "text"]),
        ("speak", ["media/none.txt"], {}, ["none.txt"]),
        ("classify", ["media/wrong.csv"], {}, ["picture", "wrong.csv"]),
        ("classify", ["media/short.csv"], {}, ["labels", "short.csv"]),
        ("classify", ["media/empty.csv"], {}, ["empty.csv"]),
        ("classify", ["media/none.csv"], {}, ["none.csv"]),
        ("classify", ["media/latin.csv"], {}, ["latin.csv", "UTF-8"]),
        ("classify", ["media/text.parquet"], {}, ["text.parquet"]),
        ("index", ["s3://bucket/photos"], {}, ["index", "s3://bucket/photos"]),
    ],
)
def test_what_is_wrong_with_all_items_is_told_before_the_first(
    operation: str, inputs: list[str], fields: dict[str, str], named: list[str], media: Path
) -> None:
    (media / "wrong.csv").write_text("picture,labels\ncat.png,a\n")
    (media / "short.csv").write_text("image\ncat.png\n")
    (media / "empty.csv").write_text("")
    (media / "latin.csv").write_bytes("image,labels\ncafé.png,a\n".encode("latin-1"))
    (media / "text.parquet").write_text("no table")
    with refused(InputError, *named):
        items(operation, *inputs, **fields)


def test_a_model_that_does_not_exist_is_told_before_the_first(media: Path) -> None:
    with refused(ModelUnavailableError, "no-such-model"):
        items("caption", "media", model="no-such-model")


def test_nothing_is_stored_there(store: ObjectStorage, media: Path) -> None:
    with refused(InputError, f"{store.bucket}/photos"):
        items("caption", f"{store.bucket}/photos")
