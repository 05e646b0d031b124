"""Search in memory finds what Lance finds, and sees every change, whoever made it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import InputError
from sensorium.retrieval import snapshot
from sensorium.retrieval.rows import Encoder, FileRows, FileState, Hit
from sensorium.retrieval.table import MediaTable, create_table, open_table
from tests.processes import running
from tests.retrieval.test_table import DIMENSION, FILM, STATE, clustered

ENCODER = Encoder("tiny", "tiny", "1", DIMENSION, (1.0,))
BROKEN = FileState(1, 1, "", None, "The file is damaged")
FOLDERS = ("/photos", "/photos/été", "/photos0", "/photos/a", "/photos/a b")


def write_album(table: MediaTable) -> np.ndarray:
    """Write pictures, films and a file that can't be read; return the vectors of the pictures."""
    rows = clustered(240, 1)
    pictures = [FileRows(f"{FOLDERS[n % 5]}/{n}.jpg", STATE, (None,), rows[n : n + 1]) for n in range(200)]
    films = [
        FileRows(f"{FOLDERS[n]}/film.mp4", FILM, tuple(2.0 * i for i in range(8)), rows[200 + 8 * n :][:8])
        for n in range(5)
    ]
    table.write([*pictures, *films, FileRows("/photos/broken.jpg", BROKEN, (), np.empty((0, DIMENSION), np.float32))])
    return rows[:200]


@pytest.fixture
def table(tmp_path: Path) -> MediaTable:
    return create_table(str(tmp_path / "index"), ENCODER)


def in_memory(table: MediaTable) -> bool:
    return table._snapshot is not None


@pytest.mark.parametrize("kind", [None, "image", "moment"])
@pytest.mark.parametrize("under", [None, "/", "/photos", "/photos/", "/photos/été", "/photos/a", "/absent"])
def test_memory_and_lance_find_the_same(
    table: MediaTable, monkeypatch: pytest.MonkeyPatch, kind: str | None, under: str | None
) -> None:
    write_album(table)
    queries = clustered(5, 2)
    answers: list[list[list[Hit]]] = []
    for size in (snapshot.SNAPSHOT_BYTES, 0):
        monkeypatch.setattr(snapshot, "SNAPSHOT_BYTES", size)
        answers.append([table.nearest(query, limit, kind=kind, under=under) for query in queries for limit in (7, 999)])
        assert in_memory(table) == (size > 0)
    for ours, lances in zip(*answers, strict=True):
        assert [(hit.path, hit.time) for hit in ours] == [(hit.path, hit.time) for hit in lances]
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in lances], abs=1e-5)
    found = {hit.path for hit in answers[0][-1]}
    assert "/photos/broken.jpg" not in found
    assert bool(found) == (under != "/absent")


def test_a_vector_that_is_not_finite_is_never_found(table: MediaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = clustered(1, 1), np.full((1, DIMENSION), np.nan, np.float32)
    table.write([FileRows("/good.jpg", STATE, (None,), good), FileRows("/bad.jpg", STATE, (None,), bad)])
    for size in (snapshot.SNAPSHOT_BYTES, 0):
        monkeypatch.setattr(snapshot, "SNAPSHOT_BYTES", size)
        assert [hit.path for hit in table.nearest(good[0], 9)] == ["/good.jpg"]


def test_no_more_than_the_stated_size_is_kept(table: MediaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_album(table)
    count = len(rows) + 40 + 1
    monkeypatch.setattr(snapshot, "SNAPSHOT_BYTES", count * DIMENSION * 4)
    table.nearest(rows[0], 1)
    assert in_memory(table)
    table.write([FileRows("/one more.jpg", STATE, (None,), rows[:1])])
    assert {hit.path for hit in table.nearest(rows[0], 2)} == {"/photos/0.jpg", "/one more.jpg"}
    assert not in_memory(table)


def test_an_unchanged_table_is_read_once(table: MediaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_album(table)
    table.nearest(rows[0], 1)
    first = table._snapshot
    table.nearest(rows[1], 1, kind="image", under="/photos")
    assert table._snapshot is first
    table.remove(["/photos/0.jpg"])
    table.nearest(rows[1], 1)
    assert table._snapshot is not first


def test_what_another_object_changes_is_seen_at_once(table: MediaTable, tmp_path: Path) -> None:
    rows = write_album(table)
    writer = open_table(str(tmp_path / "index"))
    assert writer is not None
    assert table.nearest(rows[5], 1)[0].path == "/photos/5.jpg"
    writer.remove(["/photos/5.jpg"])
    assert table.nearest(rows[5], 1)[0].path != "/photos/5.jpg"
    writer.write([FileRows("/photos/5 again.jpg", STATE, (None,), rows[5:6])])
    assert table.nearest(rows[5], 1)[0].path == "/photos/5 again.jpg"
    writer.write([FileRows("/photos/5 again.jpg", STATE, (None,), rows[6:7], STATE)])
    assert table.nearest(rows[5], 1)[0].path != "/photos/5 again.jpg"
    writer.maintain()
    assert {hit.path for hit in table.nearest(rows[6], 2)} == {"/photos/été/6.jpg", "/photos/5 again.jpg"}


WRITER = """
    import sys
    import numpy as np
    from sensorium.retrieval.rows import FileRows, FileState
    from sensorium.retrieval.table import open_table
    table, row = open_table(sys.argv[1]), np.load(sys.argv[2])
    for line in sys.stdin:
        if line == "add\\n":
            table.write([FileRows("/new.jpg", FileState(10, 1, "", None, ""), (None,), row)])
        else:
            table.remove(["/new.jpg"])
        print("done", flush=True)
"""


def test_what_another_process_changes_is_seen_by_the_next_search(table: MediaTable, tmp_path: Path) -> None:
    write_album(table)
    new = clustered(1, 9)
    np.save(tmp_path / "new.npy", new)
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "index"), str(tmp_path / "new.npy")]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        for _ in range(3):
            for order, there in (("add", True), ("remove", False)):
                writer.stdin.write(f"{order}\n")
                writer.stdin.flush()
                assert writer.stdout.readline() == "done\n"
                hit = table.nearest(new[0], 1)[0]
                assert (hit.path == "/new.jpg", in_memory(table)) == (there, True)
        writer.stdin.close()
        assert writer.wait(60) == 0


def test_an_index_that_took_the_place_of_another_is_not_mistaken_for_it(table: MediaTable, tmp_path: Path) -> None:
    row = clustered(1, 1)
    table.write([FileRows("/old.jpg", STATE, (None,), row)])
    assert table.nearest(row[0], 1)[0].path == "/old.jpg"
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(InputError, match="can't be read"):
        table.nearest(row[0], 1)
    create_table(str(tmp_path / "index"), ENCODER).write([FileRows("/new.jpg", STATE, (None,), row)])
    assert [hit.path for hit in table.nearest(row[0], 9)] == ["/new.jpg"]

    shutil.rmtree(tmp_path / "index")
    create_table(str(tmp_path / "index"), Encoder("other", "other", "1", DIMENSION, (1.0,)))
    for use in (lambda: table.nearest(row[0], 1), table.count, lambda: table.remove(["/new.jpg"])):
        with pytest.raises(InputError, match="replaced") as raised:
            use()
        assert raised.value.remedy


def test_threads_that_search_while_another_writes_each_see_one_whole_version(table: MediaTable, tmp_path: Path) -> None:
    rows = clustered(40, 3)
    writer = open_table(str(tmp_path / "index"))
    assert writer is not None
    stop = threading.Event()
    seen: list[int] = []
    wrong: list[object] = []

    def search() -> None:
        last = 0
        while not stop.is_set():
            try:
                found = sorted(int(Path(hit.path).stem) for hit in table.nearest(rows[0], 99))
            except Exception as error:
                wrong.append(error)
                return
            if found != list(range(len(found))) or len(found) < last:
                wrong.append(found)
            last = len(found)
        seen.append(last)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number, row in enumerate(rows):
            writer.write([FileRows(f"/{number}.jpg", STATE, (None,), row[None])])
        assert len(table.nearest(rows[0], 99)) == len(rows)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(seen) == 4
