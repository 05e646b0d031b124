"""What the engine asks of those who work for it, wherever they are: on this machine, or on many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sensorium.engine.job import ModelState, WorkerHealth
from sensorium.engine.live_job import LiveJob
from sensorium.engine.memory_budget import Plan
from sensorium.engine.metrics import Metrics
from sensorium.engine.options import EngineOptions
from sensorium.engine.placement import Placement, WorkerKey
from sensorium.engine.wire import FromWorker, ToWorker, WorkerSetup


class PoolWorker(Protocol):
    """Whoever runs the calls of one `WorkerKey`, and what the engine knows of it.

    Attributes:
        started: Whether it can be given calls.
        ending: Whether it is on its way out.
        draining: Whether it gets no new calls, and ends with its last one.
        calls: The jobs that were given to it and haven't ended, by their ids. The dispatcher alone changes it.
        born: When it was opened, by the monotonic clock.
        answered: Whether a call of it has come to a good end, so that a model is loaded.
        gone: Set once nothing of it is left.
    """

    key: WorkerKey
    started: bool
    ending: bool
    draining: bool
    calls: dict[str, LiveJob]
    born: float
    answered: bool
    gone: asyncio.Event

    @property
    def idle(self) -> bool:
        """Whether it could end now."""

    def takes(self, job: LiveJob) -> bool:
        """Return whether a job can start on it now."""

    def expect(self, placement: Placement) -> None:
        """Note which models the next calls need."""

    def send(self, message: ToWorker) -> None:
        """Tell it something."""

    def release(self) -> None:
        """Note that a call of it has ended."""

    def spoil(self, job: LiveJob) -> None:
        """Note that the process that ran a job shouldn't go on after its other calls."""

    def end_for(self, job: LiveJob) -> None:
        """End at once the process that doesn't let go of a job; `Callbacks.lost` follows."""

    def end(self, reason: str) -> None:
        """End it, if it is idle, for a reason in a word that metrics count."""

    def pin(self, pinned: bool) -> None:
        """Say whether it must stay, whether it has work or not."""

    async def ask(self) -> WorkerHealth:
        """Return whether it answers; never takes longer than a second."""

    def state(self) -> ModelState:
        """Return it as users see it."""


@dataclass(frozen=True)
class Loss:
    """The end of a process with calls in progress.

    Attributes:
        jobs: Those that ran on it: perhaps not all that its worker has.
        reason: In words to be put after what it was.
        ended_for: The job because of which the engine ended it: cancelled without reaction, or past its time.
        innocent: Whether no job can be to blame: they all run again.
    """

    jobs: tuple[LiveJob, ...]
    reason: str
    ended_for: LiveJob | None = None
    innocent: bool = False


@dataclass(frozen=True)
class Callbacks:
    """Whom a pool tells, in the engine's loop.

    Attributes:
        message: A worker has said something.
        lost: A process of a worker has ended with calls in progress.
        refused: A worker has no room for a job after all; it hasn't begun, and is to wait again.
        stillborn: A worker has ended that never said anything, for a reason in words.
        changed: A worker has come, gone or become free.
    """

    message: Callable[[PoolWorker, FromWorker], None]
    lost: Callable[[PoolWorker, Loss], None]
    refused: Callable[[PoolWorker, LiveJob], None]
    stillborn: Callable[[PoolWorker, str], None]
    changed: Callable[[], None]


class Pool(Protocol):
    """All workers of an engine. Its methods are called in the engine's event loop, and none blocks it."""

    @property
    def gpus(self) -> int:
        """How many GPUs there are for its workers."""

    def __iter__(self) -> Iterator[PoolWorker]: ...

    def start(self) -> None:
        """Begin."""

    def of(self, key: WorkerKey) -> PoolWorker | None:
        """Return the worker that takes new calls for a key, or None."""

    def named(self, name: str) -> list[PoolWorker]:
        """Return the workers of a model."""

    def require_possible(self, placement: Placement) -> None:
        """Refuse what can't fit even alone.

        Raises:
            InsufficientMemoryError: With the sizes.
        """

    def room(self, placement: Placement) -> Plan:
        """Return what must be done so that a new worker fits."""

    def open(self, placement: Placement) -> PoolWorker:
        """Start a worker."""

    async def close(self, grace: float) -> None:
        """End all workers, whose calls have so many seconds to stop; return when they are gone."""


MakePool: TypeAlias = Callable[[EngineOptions, WorkerSetup, Metrics, Callbacks], Pool]
