"""The Lance table: vector index, maintenance and versions, on vectors of the tests' own making."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import InputError
from sensorium.retrieval import snapshot
from sensorium.retrieval import table as tables
from sensorium.retrieval.rows import Encoder, FileRows, FileState
from sensorium.retrieval.table import MediaTable, create_table, open_table

DIMENSION = 48
STATE = FileState(10, 1, "", None, "")
FILM = FileState(10, 1, "film", 2.0, "", kind="moment")


def clustered(count: int, seed: int) -> np.ndarray:
    """Return vectors that lie in clusters, as embeddings do: float32 ``[count, 48]`` of length 1."""
    centres = np.random.default_rng(0).standard_normal((40, DIMENSION))
    random = np.random.default_rng(seed)
    rows = centres[random.integers(len(centres), size=count)] + 0.6 * random.standard_normal((count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def fill(table: MediaTable, vectors: np.ndarray, first: int = 0) -> None:
    table.write(
        [
            FileRows(f"/photos/{number % 7}/{number}.jpg", FileState(10, 1, str(number), None, ""), (None,), row[None])
            for number, row in enumerate(vectors, first)
        ]
    )


@pytest.fixture
def table(tmp_path: Path) -> MediaTable:
    return create_table(str(tmp_path / "index"), Encoder("tiny", "tiny", "1", DIMENSION, (1.0,)))


def vector_indexes(table: MediaTable) -> list[str]:
    return [index.name for index in table._newest().describe_indices() if index.field_names == ["vector"]]


def recall(table: MediaTable, vectors: np.ndarray, queries: np.ndarray) -> float:
    hits = 0
    for query in queries:
        exact = set(np.argsort(-(vectors @ query))[:10].tolist())
        hits += len(exact & {int(hit.path.split("/")[-1][:-4]) for hit in table.nearest(query, 10)})
    return hits / (10 * len(queries))


def test_the_vector_index_comes_by_itself_and_keeps_up(table: MediaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "SNAPSHOT_BYTES", 5000 * 4 * DIMENSION)
    monkeypatch.setattr(tables, "_MAX_UNINDEXED", 5000)
    monkeypatch.setattr(tables, "_ROWS_PER_PARTITION", 100)
    vectors, queries = clustered(24_000, 1), clustered(50, 2)
    fill(table, vectors[:4000])
    table.maintain()
    assert vector_indexes(table) == []
    assert recall(table, vectors[:4000], queries) == 1.0

    fill(table, vectors[4000:6000], 4000)
    table.maintain()
    assert vector_indexes(table) == ["vector_6000"]
    assert recall(table, vectors[:6000], queries) > 0.97

    fill(table, vectors[6000:8000], 6000)
    assert recall(table, vectors[:8000], queries) > 0.97, "rows that aren't indexed yet are found too"
    fill(table, vectors[8000:12000], 8000)
    table.maintain()
    assert vector_indexes(table) == ["vector_6000"]
    assert table._newest().stats.index_stats("vector_6000")["num_unindexed_rows"] == 0
    assert recall(table, vectors[:12000], queries) > 0.97

    fill(table, vectors[12000:], 12000)
    table.maintain()
    assert vector_indexes(table) == ["vector_24000"]
    assert recall(table, vectors, queries) > 0.97


def test_a_narrow_folder_is_searched_exactly_enough(table: MediaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "SNAPSHOT_BYTES", 5000 * 4 * DIMENSION)
    monkeypatch.setattr(tables, "_MAX_UNINDEXED", 5000)
    monkeypatch.setattr(tables, "_ROWS_PER_PARTITION", 20)
    vectors, queries = clustered(7000, 1), clustered(20, 2)
    fill(table, vectors)
    table.maintain()
    assert len(table.nearest(queries[0], 7000)) == 7000, "all of them, where all are asked for"
    inside = np.arange(0, 7000, 7)
    for query in queries:
        exact = inside[np.argsort(-(vectors[inside] @ query))[:10]]
        hits = table.nearest(query, 10, under="/photos/0")
        assert len(hits) == 10
        assert len({int(hit.path.split("/")[-1][:-4]) for hit in hits} & set(exact.tolist())) >= 9


def test_many_small_writes_are_compacted(table: MediaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_MAX_FRAGMENTS", 5)
    for number, row in enumerate(clustered(8, 1)):
        fill(table, row[None], number)
    assert len(table._newest().get_fragments()) == 8
    table.maintain()
    assert len(table._newest().get_fragments()) == 1
    assert table.count() == 8


def test_a_film_that_became_shorter_leaves_no_moment_behind(table: MediaTable) -> None:
    rows = clustered(9, 1)
    table.write([FileRows("/film.mp4", FILM, tuple(range(9)), rows)])
    assert len(table.nearest(rows[0], 99)) == 9
    table.write([FileRows("/film.mp4", FILM, (0.0, 2.0), rows[:2], FILM)])
    assert sorted(hit.time for hit in table.nearest(rows[0], 99)) == [0.0, 2.0]
    broken = FileState(10, 2, "other", 2.0, "The film is damaged", kind="moment")
    table.write([FileRows("/film.mp4", broken, (), np.empty((0, DIMENSION), np.float32), FILM)])
    assert table.nearest(rows[0], 99) == []
    assert table.states(["/"]) == {"/film.mp4": broken}
    assert table.count() == 0


def test_rows_are_found_by_content(table: MediaTable) -> None:
    rows = clustered(3, 1)
    table.write([FileRows("/a.mp4", FILM, (0.0, 2.0), rows[:2]), FileRows("/b.jpg", STATE, (None,), rows[2:])])
    found = table.with_content(["film", "absent", ""])
    assert sorted(found, key=str) == [("", None, ""), ("film", 2.0, "")]
    assert found["film", 2.0, ""].times == (0.0, 2.0)
    assert np.array_equal(found["film", 2.0, ""].vectors, rows[:2])
    assert np.array_equal(found["", None, ""].vectors, rows[2:])


def test_an_index_of_another_layout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_LAYOUT", "0")
    create_table(str(tmp_path / "index"), Encoder("tiny", "tiny", "1", DIMENSION, (1.0,)))
    monkeypatch.undo()
    with pytest.raises(InputError, match="another version of Sensorium"):
        open_table(str(tmp_path / "index"))


def test_an_empty_or_half_made_folder_is_no_index_yet(tmp_path: Path) -> None:
    assert open_table(str(tmp_path)) is None
    (tmp_path / "media.lance" / "_versions").mkdir(parents=True)
    assert open_table(str(tmp_path)) is None
    create_table(str(tmp_path), Encoder("tiny", "tiny", "1", DIMENSION, (1.0,)))
    opened = open_table(str(tmp_path))
    assert opened is not None
    assert opened.encoder.name == "tiny"
