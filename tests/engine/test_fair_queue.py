"""Owners take turns, nobody waits for ever, and what doesn't fit is told."""

from __future__ import annotations

import pytest

from sensorium.engine.fair_queue import FairQueue
from sensorium.engine.live_job import LiveJob
from sensorium.errors import BusyError, InputError
from tests.engine.live_jobs import live_job
from tests.refusals import refused


def filled(*owners: str, size: int = 100, per_owner: int = 100) -> tuple[FairQueue, list[LiveJob]]:
    queue = FairQueue(size, per_owner)
    jobs = [live_job(owner) for owner in owners]
    for job in jobs:
        queue.add(job)
    return queue, jobs


def order(queue: FairQueue) -> str:
    return "".join(job.owner for job in queue)


def test_owners_take_turns_however_many_jobs_one_has() -> None:
    queue, _ = filled(*"aaaabbc")
    assert order(queue) == "abcabaa"


def test_turns_that_were_taken_count() -> None:
    queue, jobs = filled(*"aaabb")
    queue.remove(jobs[0], started=True)
    assert order(queue) == "baba"


def test_an_owner_who_comes_back_has_saved_up_nothing() -> None:
    queue, jobs = filled(*"aaaaaab")
    queue.remove(jobs[-1], started=True)
    for job in jobs[:3]:
        queue.remove(job, started=True)
    queue.add(live_job("b"))
    queue.add(live_job("b"))
    assert order(queue) == "ababa"


def test_a_cancelled_job_uses_up_no_turn() -> None:
    queue, jobs = filled(*"aab")
    queue.remove(jobs[0])
    assert order(queue) == "ab"
    assert len(queue) == 2


def test_single_owners_have_shares_of_their_own() -> None:
    queue = FairQueue(100, 1, {"a": 2})
    for owner in "ab":
        queue.add(live_job(owner))
    queue.require_room("a", 1)
    with refused(BusyError):
        queue.require_room("b", 1)
    queue.add(live_job("a"))
    with refused(BusyError):
        queue.require_room("a", 1)


def test_a_full_queue_says_when_to_try_again() -> None:
    queue, _ = filled(*"ab", size=2)
    with refused(BusyError, "2 jobs", "7 seconds") as caught:
        queue.require_room("c", 7.0)
    assert caught.value.retry_after == 7.0


def test_one_owner_cannot_fill_the_queue_of_all() -> None:
    queue, _ = filled(*"aa", size=10, per_owner=2)
    with refused(BusyError, "share", "2"):
        queue.require_room("a", 1.0)
    queue.require_room("b", 1.0)


@pytest.mark.parametrize(("position", "expected"), [(0, [2, 0, 1]), (1, [0, 2, 1]), (2, [0, 1, 2]), (9, [0, 1, 2])])
def test_a_job_is_moved_among_its_owners(position: int, expected: list[int]) -> None:
    queue, jobs = filled(*"aaa")
    queue.move(jobs[2], position)
    assert list(queue) == [jobs[number] for number in expected]
    assert queue.position(jobs[2]) == min(position, 2)


def test_a_job_goes_to_no_negative_position() -> None:
    queue, jobs = filled(*"aa")
    with refused(InputError, "-1"):
        queue.move(jobs[0], -1)


def test_a_turn_that_was_given_back_counts_no_more() -> None:
    queue, jobs = filled(*"aab")
    queue.remove(jobs[0], started=True)
    assert list(queue) == [jobs[2], jobs[1]]
    queue.give_back_turn("a")
    queue.add(jobs[0])
    assert list(queue) == [jobs[0], jobs[2], jobs[1]]
    queue.give_back_turn("b")
    assert list(queue) == [jobs[0], jobs[2], jobs[1]]


def test_the_queue_may_change_while_it_is_read() -> None:
    queue, jobs = filled(*"aabb")
    seen = []
    for job in queue:
        seen.append(job)
        queue.remove(job, started=True)
    assert sorted(job.id for job in seen) == sorted(job.id for job in jobs)
    assert len(queue) == 0
