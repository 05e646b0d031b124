"""``sensorium index`` and ``search``, on real photographs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensorium.engine.job import Job, Upload
from sensorium.operations.retrieval import Findings, FoundMedium, IndexChanges
from sensorium.vision_language.clip import CLIP
from tests.checkpoints.one_space import tiny_embedding_gemma_2
from tests.cli.conftest import Run, documents
from tests.test_import_graph import imported_by

NOT_NEEDED = {"lancedb", "lance_namespace", "lance_namespace_urllib3_client", "polars", "diffusers", "ray"}
"""Lance and LanceDB bring clients of catalog servers, and take in data frames if they are installed. pandas is imported
by pyarrow wherever it is there, as it is beside Gradio: that is out of our hands."""

pytestmark = pytest.mark.usefixtures("loaded_clip")


def test_a_folder_is_indexed_and_searched(run: Run, desk: Path) -> None:
    first = run("index", "photos", "--to", "pictures")
    assert (first.exit_code, first.stdout) == (0, "3 added; 3 files in pictures\n")
    again = run("index", "photos", "--to", "pictures")
    assert (again.exit_code, again.stdout) == (0, "3 unchanged; 3 files in pictures\n")

    found = run("search", "a cup of coffee", "--index", "pictures", "--limit", "2")
    assert (found.exit_code, found.stderr) == (0, "")
    scores, names = zip(*(line.split("  ") for line in found.stdout.splitlines()), strict=True)
    assert names[0] == str(Path("photos", "coffee.png"))
    assert len(names) == 2
    assert float(scores[0]) > float(scores[1])

    (document,) = documents(run("search", "--image", "cat.jpg", "--index", "pictures", "--json").stdout)
    assert document["matches"][0]["path"] == str(desk / "photos" / "cat.png")
    assert document["matches"][0]["score"] == pytest.approx(1, abs=1e-3)
    assert (document["image"], document["model"]) == ("cat.jpg", "conse-starter")

    (desk / "photos" / "coffee.png").unlink()
    shutil.copy(desk / "cat.jpg", desk / "photos" / "new.jpg")
    third = run("index", "photos", "--to", "pictures")
    assert third.stdout == "1 added, 2 unchanged, 1 removed; 3 files in pictures\n"


def test_broken_files_are_listed_and_skipped(run: Run, desk: Path) -> None:
    (desk / "photos" / "bro\nken.png").write_bytes((desk / "cat.jpg").read_bytes()[:2000])
    result = run("index", "photos", "--to", "pictures", "--json")
    assert result.exit_code == 1
    (document,) = documents(result.stdout)
    assert (document["added"], len(document["skipped"])) == (3, 1)
    assert result.stderr.count("\n") == 1
    assert "bro\\nken.png" in result.stderr


def test_one_index_holds_everything_with_a_model_of_one_space(run: Run, desk: Path, tmp_path_factory: Any) -> None:
    model = tiny_embedding_gemma_2(tmp_path_factory.mktemp("hub") / "one-space")
    (desk / "photos" / "notes.md").write_text("A cat sleeps on the sofa.", encoding="utf-8")
    (desk / "photos" / "cut.txt").write_bytes(bytes(range(256)))
    options = ("--to", "everything", "--model", model, "--dimensions", "16")
    with CLIP(model):
        first = run("index", "photos", "film.mp4", "interview.mp3", *options)
        assert (first.exit_code, first.stdout) == (1, "6 added, 1 skipped; 6 files in everything\n")
        assert "cut.txt" in first.stderr
        (document,) = documents(run("search", "ein Hund", "--index", "everything", "--json").stdout)
        kinds = {Path(match["path"]).name: (match["kind"], match["time"] is None) for match in document["matches"]}
        assert kinds == {
            "cat.png": ("image", True),
            "coffee.png": ("image", True),
            "rocket.jpg": ("image", True),
            "notes.md": ("text", True),
            "film.mp4": ("moment", False),
            "interview.mp3": ("sound", False),
        }
        heard = run("search", "--sound", "interview.mp3", "--index", "everything", "-n", "6")
        assert heard.exit_code == 0
        assert "interview.mp3  at 0:" in heard.stdout
        again = run("index", "photos", "film.mp4", "interview.mp3", *options)
        assert (again.exit_code, again.stdout) == (1, "6 unchanged, 1 skipped; 6 files in everything\n")
        other = run("index", "photos", "--to", "everything", "--dimensions", "8")
        assert other.exit_code == 2
        assert all(told in other.stderr for told in ("everything", "16", "8"))


def test_what_a_model_of_pictures_passes_over_is_named(run: Run, desk: Path) -> None:
    (desk / "photos" / "notes.md").write_text("A cat sleeps on the sofa.", encoding="utf-8")
    result = run("index", "photos", "--to", "pictures")
    assert (result.exit_code, result.stdout) == (0, "3 added, 1 passed over; 3 files in pictures\n")
    assert "notes.md" in result.stderr
    assert "conse-starter" in result.stderr
    alone = run("index", "interview.mp3", "--to", "sounds", "--json")
    assert alone.exit_code == 2
    (document,) = documents(alone.stdout)
    assert [file["path"] for file in document["passed_over"]] == [str(desk / "interview.mp3")]


def test_the_default_index_lies_in_the_cache_and_is_shown(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from sensorium.cli import search

    monkeypatch.setattr(search, "default_index", lambda: tmp_path / "cache" / "index")
    assert f"3 files in {tmp_path / 'cache' / 'index'}" in run("index", "photos").stdout
    assert "coffee.png" in run("search", "coffee", "-n", "1").stdout


def test_nothing_to_look_for_and_nowhere_to_look(run: Run, desk: Path) -> None:
    assert "There is nothing to look for" in run("search").stderr
    nowhere = run("search", "a cat", "--index", "nowhere")
    assert nowhere.exit_code == 2
    assert "There is no index at nowhere" in nowhere.stderr
    missing = run("index", "nowhere", "--to", "pictures")
    assert missing.exit_code == 2
    assert "nowhere" in missing.stderr


def test_files_are_taken_out_of_the_index(run: Run, desk: Path) -> None:
    run("index", "photos", "--to", "pictures")
    removed = run("index", "--remove", "photos/cat.png", "--to", "pictures")
    assert (removed.exit_code, removed.stdout) == (0, "1 removed; 2 files in pictures\n")
    assert (desk / "photos" / "cat.png").exists()
    again = run("index", "--remove", "photos/cat.png", "--to", "pictures", "--json")
    assert again.exit_code == 2
    assert "cat.png is not in the index" in again.stderr


def test_what_an_index_on_a_server_has_taken_up_stays_there(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RecordingServer()
    monkeypatch.setattr("sensorium.cli.remote.Client", lambda address, cancel: server)
    done = run("index", "photos", "upload:before", "--to", "holiday", "--server", "http://127.0.0.1:1")
    assert (done.exit_code, done.stdout) == (0, "4 added; 9 files in holiday\n")
    assert server.asked == ("index", "holiday", ["upload:before", "upload:0", "upload:1", "upload:2"])
    assert server.discarded == []
    none, *sums = server.fields["origins"]
    assert none == ""
    assert len(set(sums)) == 3
    assert str(desk) not in "".join(sums)
    found = run("search", "--image", "cat.jpg", "--server", "http://127.0.0.1:1")
    assert (found.exit_code, found.stdout) == (0, "0.91  my cat.jpg\n")
    assert server.asked == ("search", None, ["upload:3"])
    assert server.discarded == ["3"]


def test_what_cannot_be_sent_to_an_index_keeps_back_nothing_else(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RecordingServer()
    monkeypatch.setattr("sensorium.cli.remote.Client", lambda address, cancel: server)
    (desk / "photos" / "empty.jpg").touch()
    (desk / "photos" / "gone.jpg").symlink_to("nowhere")
    done = run("index", "photos", "--json", "--server", "http://127.0.0.1:1")
    assert done.exit_code == 1
    (document,) = documents(done.stdout)
    assert document["added"] == server.sent == 3
    assert [file["path"] for file in document["skipped"]] == ["photos/empty.jpg", "photos/gone.jpg"]
    assert all(name in done.stderr for name in ("empty.jpg", "gone.jpg"))
    refused = run("index", "photos/gone.jpg", "photos", "--server", "http://127.0.0.1:1")
    assert (refused.exit_code, server.sent) == (2, 3)


class RecordingServer:
    """The client of a server that has always done what it was asked for."""

    def __init__(self) -> None:
        self.sent = 0
        self.asked: tuple[str, Any, list[Any]] = ("", None, [])
        self.discarded: list[str] = []
        self.fields: dict[str, Any] = {}

    def upload(self, file: object, name: str) -> Upload:
        self.sent += 1
        return Upload(str(self.sent - 1), "", name, 1, 0.0)

    def discard(self, upload: str) -> None:
        self.discarded.append(upload)

    def submit(self, operation: str, fields: dict[str, Any]) -> Job:
        media = fields["files"] if operation == "index" else [fields["image"]]
        self.asked, self.fields = (operation, fields["index"], media), fields
        return Job("job", "", operation, fields, "running")

    def events(self, job: str) -> Iterator[tuple[int, dict[str, Any]]]:
        results = {
            "index": IndexChanges(len(self.asked[2]), 0, 0, 0, (), 0, "conse-starter", 9),
            "search": Findings((FoundMedium("upload:1", "my cat.jpg", "image", None, 0.91),), "conse-starter"),
        }
        yield 1, {"type": "ended", "job": {"state": "done", "result": results[self.asked[0]].to_dict()}}

    def close(self) -> None:
        pass


def test_only_what_they_need_is_imported(run: Run, desk: Path) -> None:
    program = "import sys; sys.argv = {!r}\nfrom sensorium.cli import main; main()"
    indexing = imported_by(program.format(["sensorium", "index", "photos", "--to", "pictures", "--quiet"]))
    searching = imported_by(program.format(["sensorium", "search", "a cup of coffee", "--index", "pictures"]))
    for imported in (indexing, searching):
        assert "lance" in imported
        assert imported & NOT_NEEDED == set()
