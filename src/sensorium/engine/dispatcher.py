"""Which job starts when, where and together with which; what happens to jobs whose worker ends under them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Hashable
from typing import Any, Protocol

from sensorium.engine.fair_queue import FairQueue
from sensorium.engine.job import State
from sensorium.engine.live_job import LiveJob
from sensorium.engine.metrics import Metrics
from sensorium.engine.options import EngineOptions
from sensorium.engine.pool import Callbacks, Loss, MakePool, PoolWorker
from sensorium.engine.wire import (
    Call,
    Cancel,
    Done,
    Failed,
    FromWorker,
    Kept,
    Load,
    Returned,
    Run,
    Started,
    Told,
    WorkerSetup,
)
from sensorium.errors import InsufficientMemoryError, SensoriumError, TimeLimitError, WorkerLostError

logger = logging.getLogger("sensorium.engine")

_PATIENCE_SECONDS = 10.0
"""After so long, a job that waits for memory holds back later ones whose models take it."""
_LEAST_TOGETHER = 4
"""So many jobs are sent to a worker together, even if only the first of them found room in its last pass."""
_RECENT = 50
_LONGEST_RETRY_SECONDS = 60.0


class Journal(Protocol):
    """Who is told what becomes of jobs."""

    def changed(self, job: LiveJob) -> None:
        """Note that a job has another state."""

    def suspected(self, job: LiveJob) -> None:
        """Note that a job has killed a worker."""

    def call(self, job: LiveJob) -> Call:
        """Return what the job's worker is told."""

    def again(self, job: LiveJob) -> None:
        """Note that a job is to run again from the beginning."""


class Dispatcher:
    """Takes jobs from the queue to the workers. Its methods are called in the engine's event loop.

    Args:
        options: The engine's.
        setup: What every worker is told at its start.
        metrics: Told what happens.
        journal: Told what becomes of jobs.
        make_pool: Makes the pool of workers.
    """

    def __init__(
        self, options: EngineOptions, setup: WorkerSetup, metrics: Metrics, journal: Journal, make_pool: MakePool
    ) -> None:
        self._options = options
        self._metrics = metrics
        self._journal = journal
        self.queue = FairQueue(options.queue, options.queue_per_owner or options.queue, options.queue_shares)
        callbacks = Callbacks(self._hear, self._lost, self._wait_again, self._stillborn, self.wake)
        self.pool = make_pool(options, setup, metrics, callbacks)
        self.paused = False
        self.closing = False
        self._awake = False
        self._room: dict[tuple[Hashable, Hashable], int] = {}
        self._crowds: dict[tuple[Hashable, Hashable], int] = {}
        self._ended: deque[float] = deque(maxlen=_RECENT)

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()
        self.pool.start()

    @property
    def retry_after(self) -> float:
        """When a full queue is likely to have room again, in seconds."""
        if len(self._ended) < 2:
            return 5.0
        pace = (time.monotonic() - self._ended[0]) / len(self._ended)
        return min(max(1.0, pace * max(1, len(self.queue) // 4)), _LONGEST_RETRY_SECONDS)

    def add(self, job: LiveJob) -> None:
        """Queue a job, whose media may still be on their way: `ready` tells that they are there.

        Raises:
            BusyError: There is no room.
            InsufficientMemoryError: Its model can't fit even alone.
        """
        self.queue.require_room(job.owner, self.retry_after)
        self.pool.require_possible(job.placement)
        self.put_back(job)

    def put_back(self, job: LiveJob) -> None:
        """Queue a job without asking whether there is room."""
        self.queue.add(job)
        self._metrics.queued(_model(job))
        self.wake()

    def wake(self) -> None:
        """Look soon which jobs can start."""
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._dispatch)

    def cancel(self, job: LiveJob) -> None:
        """Stop a job: at once if it waits, else within the grace that its worker has."""
        if job.has_ended or job.cancelling is not None:
            return
        worker = self._worker_of(job)
        if worker is None:
            self.drop(job, "cancelled")
            return
        job.cancel_begun = time.monotonic()
        worker.send(Cancel(job.id))
        job.cancelling = self._loop.call_later(self._options.cancel_grace, self._kill_for, worker, job)

    def drop(self, job: LiveJob, state: State, error: SensoriumError | None = None) -> None:
        """End a job that waits."""
        if job.has_ended:
            return
        self.queue.remove(job)
        self._metrics.dequeued(_model(job))
        job.end(state=state, error=None if error is None else error.to_dict())
        self._journal.changed(job)
        self.wake()

    def _dispatch(self) -> None:
        self._awake = False
        if self.paused or self.closing:
            return
        blocked: set[Hashable] = set()
        starving: LiveJob | None = None
        begun: set[str] = set()
        for job in list(self.queue):
            key = job.placement.key
            if job.media is None or key in blocked or job.id in begun:
                continue
            if starving is not None and _compete(job, starving):
                continue
            worker = self.pool.of(key)
            if worker is None:
                if not self._make_room(job) and time.monotonic() - job.came_at > _PATIENCE_SECONDS:
                    starving = starving or job
                blocked.add(key)
            elif not worker.started:
                blocked.add(key)
            elif worker.takes(job):
                batch = self._together(job)
                if self._waits_for_more(job, batch):
                    continue
                self._begin(worker, batch)
                begun.update(each.id for each in batch)
            elif job.alone:  # those that come after it would keep its worker from ever being free
                blocked.add(key)

    def _make_room(self, job: LiveJob) -> bool:
        """Start a worker for a job, or what must come before; return False if it must wait for others' work."""
        try:
            self.pool.require_possible(job.placement)
        except InsufficientMemoryError as error:
            self.drop(job, "failed", error)
            return True
        found = self.pool.room(job.placement)
        if found.verdict == "fits":
            self.pool.open(job.placement)
        for worker in self.pool:
            if worker.key in found.evicted and worker.idle:
                worker.end("room")
        return found.verdict != "wait"

    def _together(self, job: LiveJob) -> list[LiveJob]:
        """Return a job and those that go through the model with it."""
        if job.batch_key is None or job.alone or job.loads_only:
            return [job]
        batch = [job]
        most = self._room.get((job.placement.key, job.batch_key), self._options.batch_size)
        for other in self.queue:
            if len(batch) >= most:
                break
            same = other.placement.key == job.placement.key and other.batch_key == job.batch_key
            if other is not job and same and other.media is not None and not other.alone and not other.loads_only:
                batch.append(other)
        return batch

    def _waits_for_more(self, job: LiveJob, batch: list[LiveJob]) -> bool:
        """Return whether a batch waits a moment, because lately more requests of its kind came together."""
        crowd = self._crowds.get((job.placement.key, job.batch_key), 1)
        left = self._options.batch_wait - (time.monotonic() - job.came_at)
        if job.batch_key is None or len(batch) >= min(crowd, self._options.batch_size) or left <= 0:
            return False
        self._loop.call_later(left, self.wake)
        return True

    def _begin(self, worker: PoolWorker, batch: list[LiveJob]) -> None:
        now = time.time()
        calls = []
        first = batch[0]
        if first.batch_key is not None:
            if len(self._crowds) > 1000:
                self._crowds.clear()
                self._room.clear()
            kind = first.placement.key, first.batch_key
            self._crowds[kind] = len(batch)
            if kind in self._room:  # perhaps more find room today
                self._room[kind] = min(2 * len(batch), self._options.batch_size)
        worker.expect(first.placement)
        for job in batch:
            self.queue.remove(job, started=True)
            worker.calls[job.id] = job
            job.change(state="running", position=None, started=now, attempts=job.job.attempts + 1)
            job.tell_state()
            job.began_at = time.monotonic()
            self._metrics.started(_model(job), job.job.operation, job.began_at - job.came_at)
            self._limit(worker, job)
            calls.append(self._journal.call(job))
            self._journal.changed(job)
        self._metrics.batch(_model(first), len(batch))
        worker.send(Load(calls[0]) if first.loads_only else Run(tuple(calls)))

    def _hear(self, worker: PoolWorker, message: FromWorker) -> None:
        job = worker.calls.get(getattr(message, "id", ""))
        if job is None:
            return
        match message:
            case Started():
                self._limit(worker, job)
            case Told(document=document):
                job.tell(document)
            case Kept(artifact=artifact):
                others = tuple(each for each in job.job.artifacts if each.name != artifact.name)
                job.change(artifacts=(*others, artifact))
                job.tell({"type": "artifact", **artifact.to_dict()})
            case Done(result=result):
                self._finish(worker, job, state="done", result=result)
            case Returned(alone=alone):
                self._take_back(worker, job, alone)
            case Failed(error=error, recycle=recycle):
                if recycle:
                    worker.spoil(job)
                if error["type"] != "CancelledError":
                    self._finish(worker, job, state="failed", error=error)
                elif self.closing and job.cancelling is None:
                    pass  # its worker ends, and it is to run again at the next start
                elif job.overdue:
                    self._finish(worker, job, state="failed", error=self._too_long(job).to_dict())
                else:
                    self._finish(worker, job, state="cancelled")

    def _finish(self, worker: PoolWorker, job: LiveJob, *, state: State, **changes: Any) -> None:
        """Take a job off its worker, for it has ended."""
        del worker.calls[job.id]
        if state == "done" and not worker.answered:
            worker.answered = True
            self._metrics.loaded(worker.key.name, time.monotonic() - worker.born)
        self._count_end(job, state)
        job.end(state=state, **changes)
        self._ended.append(time.monotonic())
        self._journal.changed(job)
        self.wake()  # before the worker is let go: the next job may be for it
        worker.release()

    def _take_back(self, worker: PoolWorker, job: LiveJob, alone: bool) -> None:
        """Let a job wait again that found no room in the pass with the others."""
        kind = job.placement.key, job.batch_key
        others = sum(call.batch_key == job.batch_key for call in worker.calls.values()) - 1
        self._room[kind] = max(_LEAST_TOGETHER, others)
        if alone:
            job.batch_key = None
        self._wait_again(worker, job)

    def _wait_again(self, worker: PoolWorker, job: LiveJob) -> None:
        """Let a job wait again that hasn't begun."""
        if job.cancelling is not None:
            self._finish(worker, job, state="cancelled")
            return
        del worker.calls[job.id]
        self._count_end(job, "queued")
        if job.limit is not None:
            job.limit.cancel()
            job.limit = None
        job.change(state="queued", started=None, attempts=job.job.attempts - 1)
        job.tell_state()
        self.put_back(job)
        self.queue.give_back_turn(job.owner)
        self._journal.changed(job)

    def _lost(self, worker: PoolWorker, loss: Loss) -> None:
        """See to the jobs of a process that has ended under them."""
        for job in loss.jobs:
            del worker.calls[job.id]
        for job in reversed(loss.jobs):
            if loss.ended_for is job:
                self._end_lost(job, loss.reason)
            elif loss.innocent or loss.ended_for is not None or self.closing:
                self._run_again(job, suspect=False)
            elif len(loss.jobs) == 1 or job.told_parts:
                self._journal.suspected(job)
                self._end_lost(job, loss.reason)
            else:
                self._run_again(job, suspect=True)

    def _stillborn(self, worker: PoolWorker, reason: str) -> None:
        """Fail the job for which a worker was started that has never answered: the next one would fare no better."""
        job = next((job for job in self.queue if job.placement.key == worker.key), None)
        if job is not None:
            error = WorkerLostError(f"The process for {worker.key.name!r} {reason} before it could begin", "Try again")
            self.drop(job, "failed", error)

    def _end_lost(self, job: LiveJob, reason: str) -> None:
        cancelled = job.cancelling is not None and not job.overdue
        self._count_end(job, "cancelled" if cancelled else "failed")
        if cancelled:
            job.end(state="cancelled")
        elif job.overdue:
            job.end(state="failed", error=self._too_long(job).to_dict())
        else:
            error = WorkerLostError(
                f"The process that worked on {job.job.operation!r} {reason}",
                "Try it again; an input that does this twice is refused",
            )
            job.end(state="failed", error=error.to_dict())
        self._ended.append(time.monotonic())
        self._journal.changed(job)

    def _run_again(self, job: LiveJob, *, suspect: bool) -> None:
        """Let a job start once more, through no fault of its own; a suspect one with no other beside it."""
        self._count_end(job, "queued")
        for timer in (job.limit, job.cancelling):
            if timer is not None:
                timer.cancel()
        job.limit = job.cancelling = None
        job.alone = job.alone or suspect
        job.rank = -time.monotonic()
        job.change(state="queued", started=None, artifacts=())
        job.void_parts()
        self._journal.again(job)
        self.put_back(job)
        self._journal.changed(job)

    def _limit(self, worker: PoolWorker, job: LiveJob) -> None:
        """Count from now on how long a job runs: on a cluster it may have waited for a machine until now."""
        if job.limit is not None:
            job.limit.cancel()
        job.limit = self._loop.call_later(self._options.time_limit, self._end_overdue, worker, job)

    def _end_overdue(self, worker: PoolWorker, job: LiveJob) -> None:
        """Stop a job that has run for too long."""
        if worker.calls.get(job.id) is job:
            job.overdue = True
            self.cancel(job)

    def _too_long(self, job: LiveJob) -> TimeLimitError:
        limit = f"{self._options.time_limit:.0f} seconds"
        return TimeLimitError(f"{job.job.operation!r} ran longer than the {limit} allowed", "Ask for less at once")

    def _kill_for(self, worker: PoolWorker, job: LiveJob) -> None:
        """End a worker that doesn't let go of a job."""
        if worker.calls.get(job.id) is job:
            worker.end_for(job)

    def _count_end(self, job: LiveJob, state: State) -> None:
        ran = time.monotonic() - job.began_at if job.began_at else 0.0
        self._metrics.ended(_model(job), job.job.operation, state, ran)
        if state == "cancelled":
            self._metrics.cancelled(_model(job), time.monotonic() - job.cancel_begun if job.cancel_begun else 0.0)

    def _worker_of(self, job: LiveJob) -> PoolWorker | None:
        return next((worker for worker in self.pool if worker.calls.get(job.id) is job), None)


def _model(job: LiveJob) -> str:
    return job.job.model


def _compete(job: LiveJob, starving: LiveJob) -> bool:
    """Return whether a job's model takes the memory that another job waits for."""
    return job.placement.key != starving.placement.key and bool(
        job.placement.memory.keys() & starving.placement.memory.keys()
    )
