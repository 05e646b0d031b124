"""The benchmarks run, in small, and say what they claim to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import folder_indexing, vector_search
from benchmarks.__main__ import names, table
from benchmarks.measure import process_time, row


@pytest.fixture(autouse=True)
def small_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_BENCHMARK_CACHE", str(tmp_path / "cache"))


def test_every_benchmark_is_found() -> None:
    assert {"cold_start", "folder_indexing", "vector_search"} <= set(names())


def test_the_table_is_markdown() -> None:
    lines = table([row("a | b", "1 s", "numpy: 2 s", 2.0, "two\nlines")]).splitlines()
    assert lines[2] == "| a \\| b | 1 s | numpy: 2 s | 2.00 | two lines |"


def test_folder_indexing_in_small() -> None:
    first, again = folder_indexing.run(count=40)
    assert first["ours"].endswith("photos/s")
    assert first["ratio"] > 0
    assert again["ratio"] > 1


def test_vector_search_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_search, "SMALL", 1500)
    monkeypatch.setattr(vector_search, "QUERIES", 20)
    monkeypatch.setattr(vector_search.snapshot, "SNAPSHOT_BYTES", 4 * vector_search.DIMENSION * 2001)
    rows = vector_search.run(count=12_000)
    recalls = [float(item["note"].removeprefix("recall@10 ")) for item in rows if "recall@10" in item["note"]]
    assert len(recalls) == 6
    assert recalls[:3] == [1.0, 1.0, 1.0]
    assert min(recalls) > 0.95


def test_a_command_that_fails_is_an_error_not_a_time() -> None:
    with pytest.raises(RuntimeError, match="failed"):
        process_time(["python", "-c", "raise SystemExit('no')"], runs=1)
