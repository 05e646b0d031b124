"""The post between actors and the process that runs a batch: outcomes one way, "stop" the other way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sensorium.batch.item import BatchItem
from sensorium.batch.item_worker import failed_outcome
from sensorium.errors import WorkerLostError

_MOST_WAITING = 10_000
"""Outcomes that nobody has fetched yet; with more of them the actors wait."""
_MOST_KILLS = 2
"""How many processes an item, and the group that it was in before it ran alone, may cost on machines that live on."""
_MOST_TRIES = 10
"""How often a group is begun, for whatever reason: more machines aren't lost by chance."""
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Letters:
    """What has come in since the last time.

    Attributes:
        outcomes: Of items, as documents.
        progress: The newest `Progress` of each item at work, by the item's id, as stage, done, total and unit.
        refusal: Why an actor can't work at all, as the document of an error; None if all can.
        silent: Seconds since an actor was heard of.
    """

    outcomes: Sequence[Mapping[str, Any]]
    progress: Mapping[str, tuple[str, float, float | None, str]]
    refusal: Mapping[str, str] | None
    silent: float


@dataclass(frozen=True)
class Task:
    """What is to be done of a group.

    Attributes:
        items: The ids of those that aren't done.
        one_by_one: Whether each is to be announced with `Post.starts` and run alone: somebody died of one of them.
    """

    items: Sequence[str]
    one_by_one: bool


@dataclass
class _Group:
    """What is known of a group that has been begun."""

    tries: int = 0
    machine: str = ""
    at_work: str = ""
    kills: int = 0
    kills_of: dict[str, int] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)


class Post:
    """An actor, on the machine of the process that runs the batch: it lives as long as that one."""

    def __init__(self) -> None:
        self._outcomes: list[Mapping[str, Any]] = []
        self._progress: dict[str, tuple[str, float, float | None, str]] = {}
        self._groups: dict[int, _Group] = {}
        self._refusal: Mapping[str, str] | None = None
        self._stopped = False
        self._heard = time.monotonic()

    async def begin(self, number: int, items: Sequence[BatchItem], machine: str) -> Task:
        """Return what is to be done of a group; one that was begun before has cost somebody's life.

        Args:
            number: Of the group.
            items: All of it.
            machine: On which it is done now.
        """
        self._heard = time.monotonic()
        group = self._groups.setdefault(number, _Group())
        group.tries += 1
        if group.tries > 1:
            self._blame(group, items, machine)
        group.machine, group.at_work = machine, ""
        waiting = [item.id for item in items if item.id not in group.done]
        if len(waiting) == 1:
            group.at_work = waiting[0]
        return Task(waiting, one_by_one=group.tries > 1)

    async def starts(self, number: int, item: str) -> None:
        """Note which item of a group is at work."""
        self._groups[number].at_work = item

    async def record(self, number: int, outcomes: Sequence[Mapping[str, Any]]) -> bool:
        """Take outcomes of a group; return whether to stop. One that came before isn't taken again."""
        self._heard = time.monotonic()
        while len(self._outcomes) > _MOST_WAITING and not self._stopped:
            await asyncio.sleep(_LOOK_SECONDS)
        group = self._groups[number]
        for outcome in outcomes:
            if outcome["id"] not in group.done:
                group.done.add(outcome["id"])
                self._outcomes.append(outcome)
            self._progress.pop(outcome["id"], None)
        return self._stopped

    async def lives(self, progress: Mapping[str, tuple[str, float, float | None, str]]) -> bool:
        """Take an actor's sign of life, and how far its items are; return whether to stop."""
        self._heard = time.monotonic()
        self._progress.update(progress)
        return self._stopped

    async def refuse(self, error: Mapping[str, str]) -> None:
        """Take the reason why an actor can't work: the batch is to end."""
        self._refusal = self._refusal or error
        self._stopped = True

    async def letters(self, seconds: float) -> Letters:
        """Return what has come in, as soon as there are outcomes; after so many seconds in any case."""
        end = time.monotonic() + seconds
        while not self._outcomes and self._refusal is None and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
        outcomes, self._outcomes = self._outcomes, []
        progress, self._progress = self._progress, {}
        return Letters(outcomes, progress, self._refusal, time.monotonic() - self._heard)

    async def next_round(self) -> None:
        """Forget the groups: all of them are done."""
        self._groups.clear()
        self._heard = time.monotonic()

    async def stop(self) -> None:
        """Let all actors stop."""
        self._stopped = True

    def _blame(self, group: _Group, items: Sequence[BatchItem], machine: str) -> None:
        """Note which item was at work when a process ended, and give up on it if it isn't the first time."""
        culprit = next((item for item in items if item.id == group.at_work and item.id not in group.done), None)
        if machine == group.machine:  # else the machine was lost, which is nobody's fault
            if culprit is None:
                group.kills += 1
            else:
                group.kills_of[culprit.id] = group.kills_of.get(culprit.id, 0) + 1
        if culprit is None:
            return
        if group.kills + group.kills_of.get(culprit.id, 0) >= _MOST_KILLS or group.tries > _MOST_TRIES:
            group.done.add(culprit.id)
            self._outcomes.append(_lost(culprit))


def _lost(item: BatchItem) -> Mapping[str, Any]:
    error = WorkerLostError(
        "The process that worked on it ended in the middle, more than once: it crashed, or memory ran out",
        "Take a smaller input or fewer actors, then run the batch again with --retry-errors",
    )
    return failed_outcome(item, str(error), type(error).__name__).to_dict()
