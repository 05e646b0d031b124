"""A job that has not ended, or has ended a short while ago: what it is, and what it has told so far."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

from sensorium.engine.job import ENDED, Job, JobEvent
from sensorium.engine.placement import Placement
from sensorium.operations.operation import Operation

_FLEETING = ("progress", "preview")
"""Types of events of which only the latest is told to who comes later."""


class LiveJob:
    """A job, its operation, and its events.

    There is no buffer for each reader: a reader remembers the number of the event that it got last, and asks for those
    after it. So a slow reader costs nothing, and holds up nobody.

    Args:
        job: Its state; replaced as a whole with each change.
        operation: What is to be done.
        placement: Where.
        rank: Its place among its owner's jobs.
        first_event: The number of its first event; above 1 if an earlier run of it told events.
    """

    def __init__(
        self, job: Job, operation: Operation, placement: Placement, rank: float, *, first_event: int = 1
    ) -> None:
        self.job = job
        self.operation = operation
        self.placement = placement
        self.rank = rank
        self.batch_key: Hashable | None = operation.batch_key()
        self.media: Mapping[str, Mapping[str, str]] | None = None
        """Files that the operation's references stand for; None until they are ready."""
        self.stop_bringing: Callable[[], None] | None = None
        """Ends the fetching of its media."""
        self.loads_only = False
        """Whether only the model is to be loaded."""
        self.alone = False
        """Whether it must run with no other in its worker, because it may be what killed the last one."""
        self.held = False
        """Whether its files are still looked at, though it may have ended."""
        self.overdue = False
        """Whether it is being stopped because it has run for too long."""
        self.cancelling: asyncio.TimerHandle | None = None
        self.limit: asyncio.TimerHandle | None = None
        self.cancel_begun = 0.0
        """When its worker was told to stop it, by the monotonic clock; 0 if it was not."""
        self.saved_events = 0
        """How many of its events are in the database."""
        self.came_at = time.monotonic()
        """When this engine got to know of it, by the monotonic clock: the clock of the day may be set meanwhile."""
        self.began_at = 0.0
        """When it began to run, by the monotonic clock; 0 before."""
        self.ended_at = 0.0
        """When it ended, by the monotonic clock."""
        self.readers = 0
        """How many read its events at the moment."""
        self.told_position: int | None = None
        """The position in the queue that its readers were told last."""
        self.events: list[JobEvent] = []
        self._fleeting: dict[str, JobEvent] = {}
        self._next_event = first_event
        self._changed = asyncio.Event()

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def owner(self) -> str:
        """Whose it is."""
        return self.job.owner

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.job.state in ENDED

    @property
    def told_parts(self) -> bool:
        """Whether somebody may have used a part of its result already."""
        return any(event.document["type"] in ("piece", "sound", "finished") for event in self.events)

    def change(self, **changes: Any) -> None:
        """Replace some of the job's fields."""
        self.job = replace(self.job, **changes)

    def tell(self, document: Mapping[str, Any]) -> None:
        """Tell an event to all readers."""
        event = JobEvent(self._next_event, document)
        self._next_event += 1
        kind = document["type"]
        if kind in _FLEETING:
            self._fleeting[kind] = event
            if kind == "progress":
                self.change(progress={name: value for name, value in document.items() if name != "type"})
        else:
            self.events.append(event)
        self._wake()

    def tell_state(self, position: int | None = None) -> None:
        """Tell the state, and the position in the queue."""
        self.told_position = position
        self.tell({"type": "state", "state": self.job.state, "position": position})

    def end(self, **changes: Any) -> None:
        """Set the state in which it ends, and tell it."""
        self.change(position=None, ended=time.time(), **changes)
        self.ended_at = time.monotonic()
        self._fleeting.clear()
        if self.stop_bringing is not None:
            self.stop_bringing()
        for timer in (self.cancelling, self.limit):
            if timer is not None:
                timer.cancel()
        self.tell({"type": "ended", "job": self.job.to_dict()})

    def void_parts(self) -> None:
        """Say that what was told so far counts no more, because the job runs again."""
        self.tell({"type": "restarted"})

    async def read(self, after: int) -> AsyncIterator[JobEvent]:
        """Yield the events after a number until the job has ended."""
        self.readers += 1
        try:
            while True:
                changed = self._changed
                for event in self._after(after):
                    after = max(after, event.id)
                    yield event
                if self.has_ended and after >= self._next_event - 1:
                    return
                if changed is self._changed:
                    await changed.wait()
        finally:
            self.readers -= 1

    async def wait(self) -> Job:
        """Return the job once it has ended."""
        while not self.has_ended:
            await self._changed.wait()
        return self.job

    def _after(self, number: int) -> list[JobEvent]:
        first = bisect_right(self.events, number, key=lambda event: event.id)
        found = self.events[first:] + [event for event in self._fleeting.values() if event.id > number]
        return sorted(found, key=lambda event: event.id)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
