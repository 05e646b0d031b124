"""The benchmarks of items, engine, index and queue run, in small."""

from __future__ import annotations

import pytest

from benchmarks import engine_rates, index_rates, item_costs
from benchmarks.queue_check import check
from benchmarks.scaling.items import SMALL, TEXT, Item, items


def item(operation: str, what: str) -> Item:
    return next(each for each in items() if (each.operation, each.item) == (operation, what))


def test_items_in_small() -> None:
    told = item_costs.measure(item("build-prompt", TEXT), passes=1)
    assert told.items == 16
    assert 0 < told.core_seconds < 1
    assert told.bytes_in == 0
    assert told.bytes_out > 100
    found = item_costs.measure(item("search", TEXT), passes=1)
    assert found.core_seconds > told.core_seconds
    assert found.start_core_seconds > 0
    assert found.memory > 50e6
    row = item_costs.rows([found])[0]
    assert row["question"] == f"search: {TEXT}"
    assert row["ours"].endswith("core-seconds")


def test_photos_are_counted_one_by_one() -> None:
    indexed = item_costs.measure(item("index", SMALL), passes=1)
    assert indexed.items == 32
    assert indexed.bytes_in == pytest.approx(60_000, rel=0.5)
    assert indexed.bytes_out > 384 * 4  # a vector, at least


def test_jobs_that_do_nothing_go_through_the_engine() -> None:
    plain, kept = engine_rates.without_database(32), engine_rates.with_sqlite(32)
    assert 0 < plain.core_seconds < kept.core_seconds
    assert kept.bytes_kept > 500
    assert "jobs/s" in engine_rates.rows([plain])[0]["ours"]


def test_vectors_are_written_and_indexed() -> None:
    built = index_rates.measure(2000)
    assert built.bytes_written > 4 * 384
    assert built.write_core_seconds > 0
    assert built.fragments == 1


def test_the_simulation_says_what_a_server_did() -> None:
    found = check(2.0)
    assert found.requests > 0
    assert found.measured.mean >= 0
    assert found.simulated.mean == pytest.approx(found.measured.mean, rel=0.5, abs=0.3)
