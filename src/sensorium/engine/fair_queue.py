"""The queue of jobs: bounded, and fair between owners."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sensorium.errors import BusyError, InputError

if TYPE_CHECKING:
    from sensorium.engine.live_job import LiveJob


class FairQueue:
    """Jobs that wait. Owners take turns; the jobs of one owner come in the order of their ranks.

    Args:
        size: How many jobs may wait.
        per_owner: How many jobs of one owner may wait.
        shares: The same for single owners, by owner.
    """

    def __init__(self, size: int, per_owner: int, shares: Mapping[str, int] | None = None) -> None:
        self._size = size
        self._per_owner = per_owner
        self._shares = shares or {}
        self._waiting: dict[str, list[LiveJob]] = {}
        self._turns: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[LiveJob]:
        """Yield the jobs in the order in which they are to start; the queue may change meanwhile."""
        heads = [(self._turns[owner], jobs[0].rank, owner, 0, tuple(jobs)) for owner, jobs in self._waiting.items()]
        heapq.heapify(heads)
        while heads:
            turns, _, owner, number, jobs = heads[0]
            yield jobs[number]
            if number + 1 < len(jobs):
                heapq.heapreplace(heads, (turns + 1, jobs[number + 1].rank, owner, number + 1, jobs))
            else:
                heapq.heappop(heads)

    def require_room(self, owner: str, retry_after: float) -> None:
        """Refuse a job that there is no room for.

        Args:
            owner: Whose it is.
            retry_after: When there will be room, in seconds.

        Raises:
            BusyError: The queue is full, or this owner's share of it.
        """
        remedy = f"Try again in {retry_after:.0f} seconds"
        if self._count >= self._size:
            raise BusyError(f"The queue is full: {self._count} jobs are waiting", remedy, retry_after)
        own = len(self._waiting.get(owner, ()))
        if own >= self._shares.get(owner, self._per_owner):
            raise BusyError(f"Your share of the queue is full: {own} of your jobs are waiting", remedy, retry_after)

    def add(self, job: LiveJob) -> None:
        """Let a job wait, by its rank. An owner who comes back has no turns saved up."""
        own = self._waiting.get(job.owner)
        if own is None:
            self._turns[job.owner] = max(
                self._turns[job.owner], min((self._turns[owner] for owner in self._waiting), default=0)
            )
            own = self._waiting[job.owner] = []
        own.append(job)
        if len(own) > 1 and own[-2].rank > job.rank:
            own.sort(key=lambda each: each.rank)
        self._count += 1

    def remove(self, job: LiveJob, *, started: bool = False) -> None:
        """Take a job out; one that was started has used up a turn of its owner's."""
        own = self._waiting[job.owner]
        own.remove(job)
        self._count -= 1
        if started:
            self._turns[job.owner] += 1
        if not own:
            del self._waiting[job.owner]
            if not self._waiting:
                self._turns.clear()

    def give_back_turn(self, owner: str) -> None:
        """Count a start of a job of an owner's as if it had not been."""
        if self._turns[owner] > 0:
            self._turns[owner] -= 1

    def position(self, job: LiveJob) -> int:
        """Return how many jobs are to start before this one."""
        return next(number for number, each in enumerate(self) if each is job)

    def move(self, job: LiveJob, position: int) -> None:
        """Give a job the rank with which it stands behind ``position`` others of its owner's.

        Raises:
            InputError: The position is negative.
        """
        if position < 0:
            raise InputError(f"A job can't be moved to position {position}", "Give 0 or more")
        own = self._waiting[job.owner]
        others = [each.rank for each in own if each is not job]
        if not others:
            return
        if position == 0:
            job.rank = others[0] - 1
        elif position >= len(others):
            job.rank = others[-1] + 1
        else:
            job.rank = (others[position - 1] + others[position]) / 2
        own.sort(key=lambda each: each.rank)
