"""``sensorium batch``: many inputs, one manifest, and no work done twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import pyarrow.parquet
import pytest

from sensorium.cli.exit_codes import ALL_GOOD, BAD_INPUT, CANCELLED, SOME_FAILED
from sensorium.storage.opening import location_of
from tests.cli.conftest import Run
from tests.object_storage import ObjectStorage, object_storage
from tests.processes import SENSORIUM, running, wait_for
from tests.real_media import photo

PHOTOS = ("chelsea", "coffee", "rocket")


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running:
        yield running


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in PHOTOS:
        shutil.copy(photo(name), folder / photo(name).name)
    return folder


def rows(output: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pyarrow.parquet.read_table(output / "manifest.parquet").to_pylist()
    return found


def test_each_input_has_a_row_and_a_second_run_does_only_what_is_new(photos: Path, run: Run, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(photo("rocket").read_bytes()[:2000])
    command = ("batch", "control-map", photos, "--set", "control=canny", "--output", tmp_path / "out", "--json")
    first = run(*command)
    assert first.exit_code == SOME_FAILED
    assert "broken.jpg" in first.stderr
    summary = json.loads(first.stdout.splitlines()[-1])
    assert {name: summary[name] for name in ("rows", "errors", "done", "failed", "skipped")} == {
        **{"rows": 4, "errors": 1, "done": 3, "failed": 1, "skipped": 0}
    }
    table = {Path(row["input"]).stem: row for row in rows(tmp_path / "out")}
    assert set(table) == {*PHOTOS, "broken"}
    assert "broken.jpg" in table["broken"]["error"]
    for name in PHOTOS:
        [file] = table[name]["files"]
        assert (tmp_path / "out" / file).is_file()
        assert Path(file).parent.name.startswith(name)
        assert (table[name]["model"], table[name]["error"]) == ("opencv", "")
        assert json.loads(table[name]["result"])["control"] == "canny"

    shutil.copy(photo("astronaut"), photos)
    second = json.loads(run(*command).stdout.splitlines()[-1])
    assert (second["rows"], second["done"], second["failed"], second["skipped"]) == (5, 1, 0, 4)
    shutil.copy(photo("rocket"), photos / "broken.jpg")
    third = run(*command, "--retry-errors")
    assert json.loads(third.stdout.splitlines()[-1])["skipped"] == 4


def test_failed_items_run_again_when_asked(
    photos: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium.errors import InputError
    from sensorium.operations.control import ControlMap

    def fail(self: Any, tasks: Any, report: Any) -> None:
        raise InputError("It can't be seen", "Look again")

    command = ("batch", "control-map", photos, "--set", "control=canny", "--output", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(ControlMap, "run", fail)
        assert run(*command).exit_code == BAD_INPUT
    again = run(*command)
    assert again.exit_code == SOME_FAILED
    assert [row["error"] for row in rows(tmp_path / "out")] == ["It can't be seen. Look again."] * 3
    assert run(*command, "--retry-errors").exit_code == ALL_GOOD
    assert [row["error"] for row in rows(tmp_path / "out")] == [""] * 3


def test_from_a_bucket_into_a_bucket_with_a_lance_manifest(photos: Path, run: Run, store: ObjectStorage) -> None:
    bucket = location_of(store.new_bucket())
    for path in photos.iterdir():
        bucket.join("photos", path.name).put(path)
    output = bucket.join("out")
    command = ("batch", "control-map", f"{bucket}/photos/*", "-s", "control=canny", "-o", output, "--manifest", "lance")
    assert run(*command).exit_code == ALL_GOOD
    table = lance.dataset(f"{output}/manifest.lance").to_table().to_pylist()
    assert {row["input"] for row in table} == {f"{bucket}/photos/{path.name}" for path in photos.iterdir()}
    for row in table:
        [file] = row["files"]
        assert output.join(file).read().startswith(b"\x89PNG")
    before = {file.location.address: file.version for file in output.files("files/")}
    again = run(*command, "--json")
    assert json.loads(again.stdout)["skipped"] == 3
    assert {file.location.address: file.version for file in output.files("files/")} == before
    assert run(*command[:-2]).exit_code == BAD_INPUT


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("classify", "photos", "-o", "out"), "labels"),
        (("classify", "photos", "-o", "out", "-s", "labels"), "labels"),
        (("caption", "photos", "-o", "out", "--manifest", "xml"), "xml"),
        (("caption", "photos", "-o", "out", "--server", "http://127.0.0.1:9"), "server"),
        (("caption", "photos", "-o", "out", "--address", "127.0.0.1:9"), "--actors"),
        (("build-prompt", "photos", "-o", "out", "--model", "tiny"), "--model"),
        (("caption", "photos", "-o", "https://example.org/out"), "example.org"),
        (("caption", "photos", "-o", "claimed"), "control-map"),
        (("control-map", "photos", "-o", "claimed", "--manifest", "lance"), "parquet"),
        (("caption", "photos", "-o", "foreign"), "foreign"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(
    arguments: tuple[str, ...], named: str, photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("foreign").mkdir()
    Path("foreign/manifest.parquet").write_text("somebody's own")
    Path("claimed/.batch").mkdir(parents=True)
    Path("claimed/.batch/batch.json").write_text('{"operation": "control-map", "manifest": "parquet"}')
    result = run("batch", *arguments)
    assert result.exit_code == BAD_INPUT
    assert named in result.stderr
    assert not Path("out").exists()
    assert Path("foreign/manifest.parquet").read_text() == "somebody's own"


LINES = 40


def test_killed_twice_nothing_is_lost_or_done_twice(tmp_path: Path, run: Run) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(f"This is line number {number}." for number in range(LINES)))
    output = tmp_path / "out"
    command = ["batch", "speak", str(tmp_path / "lines.txt"), "--output", str(output), "--set", "seed=1"]

    with running([*SENSORIUM, *command], stderr=subprocess.DEVNULL) as job:
        wait_for_lines(output, 2, job)
        os.kill(job.pid, signal.SIGSTOP)
        refused = run(*command)
        assert refused.exit_code == BAD_INPUT
        assert str(output) in refused.stderr
        job.kill()
        job.wait()
    kept = len(journal_lines(output))
    assert 2 <= kept < LINES
    files = {path: path.stat().st_mtime_ns for path in output.glob("files/*/*")}
    assert len(files) >= kept

    with running([*SENSORIUM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as job:
        wait_for(output / "manifest.parquet", job)  # what the killed one had finished
        wait_for_lines(output, 2, job)
        os.kill(job.pid, signal.SIGINT)
        _, said = job.communicate()
        assert job.returncode == CANCELLED, said
    interrupted = rows(output)
    assert kept + 2 <= len(interrupted) < LINES
    assert not journal_lines(output)

    last = run(*command, "--json")
    assert last.exit_code == ALL_GOOD, last.output
    summary = json.loads(last.stdout)
    assert (summary["skipped"], summary["done"]) == (len(interrupted), LINES - len(interrupted))
    table = rows(output)
    assert sorted(row["input"] for row in table) == sorted((tmp_path / "lines.txt").read_text().splitlines())
    assert len({row["id"] for row in table}) == LINES
    assert table[: len(interrupted)] == interrupted
    written = {path: path.stat().st_mtime_ns for path in output.glob("files/*/*")}
    assert sorted(str(path.relative_to(output)) for path in written) == sorted(
        file for row in table for file in row["files"]
    )
    done_before = {output / file for row in interrupted[:kept] for file in row["files"]}
    assert {path: written[path] for path in done_before} == {path: files[path] for path in done_before}
    assert not list(output.rglob(".*.wav"))


def journal_lines(output: Path) -> list[bytes]:
    return [line for path in sorted(output.glob(".batch/journal/*")) for line in path.read_bytes().splitlines(True)]


def wait_for_lines(output: Path, count: int, job: subprocess.Popen[Any]) -> None:
    begun = time.monotonic()
    while len(journal_lines(output)) < count:
        assert job.poll() is None, "it ended"
        assert time.monotonic() - begun < 120
        time.sleep(0.01)


_DEADLY = """
import os, sys
from sensorium.cli import main
from sensorium.operations.prompts import BuildPrompt

run = BuildPrompt.run

def die(self, tasks, report):
    if self.subject == "poison":
        os._exit(9)
    return run(self, tasks, report)

BuildPrompt.run = die
main()
"""


def test_an_item_with_which_the_process_dies_twice_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a house\npoison\na tree\n")
    command = [sys.executable, "-c", _DEADLY, "batch", "build-prompt", str(tmp_path / "lines.txt"), "-o", "out"]
    ran = [subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode for _ in range(3)]
    assert ran == [9, 9, SOME_FAILED]
    table = {row["input"]: row for row in rows(tmp_path / "out")}
    assert {name for name, row in table.items() if row["result"]} == {"a house", "a tree"}
    assert table["poison"]["error_type"] == "WorkerLostError"
    assert not (tmp_path / "out" / ".batch" / "at-work.json").exists()


def test_what_is_nobodys_fault_ends_the_batch_and_runs_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium.errors import StorageError
    from sensorium.operations.prompts import BuildPrompt

    def fail(self: Any, tasks: Any, report: Any) -> None:
        raise StorageError("No object store answers", "Check the network")

    (tmp_path / "lines.txt").write_text("\n".join(f"house {number}" for number in range(9)))
    command = ("batch", "build-prompt", tmp_path / "lines.txt", "--output", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(BuildPrompt, "run", fail)
        ended = run(*command)
    assert ended.exit_code == BAD_INPUT
    assert "No object store answers" in ended.stderr
    assert [row["error_type"] for row in rows(tmp_path / "out")] == ["StorageError"] * 5
    assert run(*command).exit_code == ALL_GOOD
    assert sorted(row["input"] for row in rows(tmp_path / "out") if not row["error"]) == [
        f"house {number}" for number in range(9)
    ]
