"""Room is made by ending what was used least recently; what works or is pinned stays; what can't fit is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sensorium.engine.memory_budget import Plan, Resident, plan, require_possible
from sensorium.engine.placement import WorkerKey
from sensorium.errors import InsufficientMemoryError
from tests.refusals import refused

LIMITS = {"main": 100, "cuda:0": 50}


def key(name: str) -> WorkerKey:
    return WorkerKey(name, "auto", "auto")


def resident(
    name: str, main: int, used: float, *, idle: bool = True, pinned: bool = False, more: Mapping[str, int] | None = None
) -> Resident:
    return Resident(key(name), {"main": main, **(more or {})}, idle, pinned, used)


@pytest.mark.parametrize(
    ("needed", "residents", "expected"),
    [
        (40, [], Plan("fits")),
        (40, [resident("a", 60, 1)], Plan("fits")),
        (41, [resident("a", 60, 1)], Plan("evict", (key("a"),))),
        (50, [resident("a", 30, 2), resident("b", 30, 1)], Plan("evict", (key("b"),))),
        (90, [resident("a", 30, 2), resident("b", 30, 1)], Plan("evict", (key("b"), key("a")))),
        (50, [resident("a", 60, 1, idle=False)], Plan("wait")),
        (50, [resident("a", 60, 1, pinned=True)], Plan("wait")),
        (90, [resident("a", 30, 1), resident("b", 30, 2, idle=False)], Plan("wait")),
    ],
)
def test_room_is_made(needed: int, residents: list[Resident], expected: Plan) -> None:
    assert plan({"main": needed}, residents, LIMITS) == expected


def test_only_what_takes_the_memory_that_lacks_must_go() -> None:
    on_main, on_gpu = resident("a", 10, 1), resident("b", 5, 2, more={"cuda:0": 40})
    assert plan({"cuda:0": 20}, [on_main, on_gpu], LIMITS) == Plan("evict", (key("b"),))


def test_what_can_never_fit_is_refused_with_both_sizes() -> None:
    with refused(InsufficientMemoryError, "huge", "3.0 GB", "2.0 GB", "main memory"):
        require_possible("huge", {"main": 3_000_000_000}, {"main": 2_000_000_000})
    with refused(InsufficientMemoryError, "pinned"):
        require_possible("it", {"main": 50}, LIMITS, [resident("a", 60, 1, pinned=True)])
    require_possible("it", {"main": 50}, LIMITS, [resident("a", 60, 1)])
    with refused(InsufficientMemoryError, "cuda:1"):
        require_possible("it", {"cuda:1": 1}, LIMITS)
