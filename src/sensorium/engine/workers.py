"""The worker processes of an engine: starting and ending them, what they take, how they are."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sensorium.engine.forking import CAN_FORK
from sensorium.engine.graphics_cards import memory_sizes
from sensorium.engine.job import ModelState, WorkerHealth
from sensorium.engine.live_job import LiveJob
from sensorium.engine.memory_budget import Plan, Resident, plan, require_possible
from sensorium.engine.metrics import Metrics
from sensorium.engine.options import STARTER, EngineOptions, ModelOptions
from sensorium.engine.placement import MAIN_MEMORY, Placement, WorkerKey
from sensorium.engine.pool import Callbacks, Loss, PoolWorker
from sensorium.engine.wire import FromWorker, Ping, Pong, ToWorker, WorkerSetup
from sensorium.engine.worker_process import WorkerProcess, clean_parent
from sensorium.models.memory import total_memory
from sensorium.threads import thread_count

logger = logging.getLogger("sensorium.engine")

_STOP_GRACE = 5.0
_WATCH_SECONDS = 1.0
_MEASURE_SECONDS = 5.0
_ANSWER_SECONDS = 0.7
_SILENCE_SECONDS = 60.0
"""A worker that hasn't answered for so long hangs: its answers come from a thread that has nothing else to do."""
_SHARE_OF_MAIN_MEMORY = 0.8
_SHARE_OF_GPU_MEMORY = 0.9
_STARTER_MODELS_AT_ONCE = 4


class Worker:
    """A worker process, and what the engine knows of it.

    Args:
        pool: What it belongs to.
        placement: The first operation's.
        options: Of its model.
        time_to_live: Seconds without work after which it ends; negative for never.
    """

    def __init__(self, pool: WorkerPool, placement: Placement, options: ModelOptions, time_to_live: float) -> None:
        self._pool = pool
        self.key = placement.key
        self._at_once = placement.at_once
        self.process: WorkerProcess
        self.started = False
        self.heard = False
        """Whether it has said anything."""
        self.answered = False
        """Whether a call of it has come to a good end, so that a model is loaded."""
        self.ending = False
        self.draining = False
        """Whether it gets no new calls, and ends with its last one."""
        self.calls: dict[str, LiveJob] = {}
        self.ended_for: LiveJob | None = None
        """The job because of which it was killed: cancelled without reaction, or past its time."""
        self.models: set[tuple[str, ...]] = set()
        self.memory: dict[str, int] = dict(placement.memory)
        self.measured = False
        self.pinned = options.pinned
        self.time_to_live = time_to_live if options.time_to_live is None else options.time_to_live
        self.last_used = self.last_answer = self.born = time.monotonic()
        self.gone = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether it could end now."""
        return self.started and not self.ending and not self.calls

    def takes(self, job: LiveJob) -> bool:
        """Return whether a job can start on it now."""
        if not self.started or self.ending or self.draining:
            return False
        if not self.calls:
            return True
        if job.alone or any(call.alone for call in self.calls.values()):
            return False
        if self._at_once > 1:
            return len(self.calls) < self._at_once
        if self.key.name != STARTER:
            return False
        running = {call.placement.models for call in self.calls.values()}
        return job.placement.models not in running and len(running) < _STARTER_MODELS_AT_ONCE

    def expect(self, placement: Placement) -> None:
        """Note which models the next calls need: see `PoolWorker.expect`."""
        if placement.models in self.models:
            return
        if self.models:
            self.measured = False
            for name, size in placement.memory.items():
                self.memory[name] = self.memory.get(name, 0) + size
        self.models.add(placement.models)

    def send(self, message: ToWorker) -> None:
        """Tell its process something."""
        self.process.send(message)

    def release(self) -> None:
        """Note that a call has ended: see `PoolWorker.release`."""
        self._pool.release(self)

    def spoil(self, job: LiveJob) -> None:
        """Let it end with its last call."""
        self.draining = True

    def end_for(self, job: LiveJob) -> None:
        """End its process, and with it all of its calls, because of a job."""
        self.ended_for = job
        self.process.kill()

    def end(self, reason: str) -> None:
        """Ask it to end, if it isn't on its way; the memory is free once it is gone."""
        self._pool.end(self, reason)

    def pin(self, pinned: bool) -> None:
        """Say whether it is never ended to make room."""
        self.pinned = pinned

    async def ask(self) -> WorkerHealth:
        """Return whether its process answers in time."""
        return await self._pool.ask(self)

    def resident(self) -> Resident:
        """Return it as the memory budget sees it."""
        return Resident(self.key, self.memory, self.idle, self.pinned, self.last_used)

    def state(self) -> ModelState:
        """Return it as users see it."""
        word = "ending" if self.ending else "starting" if not self.started else "working" if self.calls else "idle"
        return ModelState(
            name=self.key.name,
            device=self.key.device,
            state=word,
            pid=self.process.pid if self.started else 0,
            memory=self.memory.get(MAIN_MEMORY, 0),
            gpu_memory=sum(size for name, size in self.memory.items() if name != MAIN_MEMORY),
            pinned=self.pinned,
            time_to_live=self.time_to_live,
            idle_seconds=0.0 if self.calls else round(time.monotonic() - self.last_used, 1),
            running=tuple(self.calls),
        )


class WorkerPool:
    """All worker processes of an engine. Its methods are called in the engine's event loop.

    Args:
        options: The engine's.
        setup: What every worker is told at its start.
        metrics: Told what happens.
        callbacks: Told what happens.
    """

    def __init__(self, options: EngineOptions, setup: WorkerSetup, metrics: Metrics, callbacks: Callbacks) -> None:
        self._options = options
        self._setup = setup
        self._metrics = metrics
        self._callbacks = callbacks
        self._workers: list[Worker] = []
        self._measured: dict[WorkerKey, dict[str, int]] = {}
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        cards = memory_sizes()
        self.gpus = len(cards)
        self.limits: dict[str, int] = {
            MAIN_MEMORY: options.memory or int(total_memory() * _SHARE_OF_MAIN_MEMORY),
            **{
                f"cuda:{number}": options.gpu_memory or int(size * _SHARE_OF_GPU_MEMORY)
                for number, size in enumerate(cards)
            },
        }

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers))

    def start(self) -> None:
        """Begin to watch the workers."""
        self._loop = asyncio.get_running_loop()
        self._keep(self._watch())
        if self._options.preload and CAN_FORK:
            self._keep(asyncio.to_thread(clean_parent.start))

    def of(self, key: WorkerKey) -> Worker | None:
        """Return the worker that takes new calls for a key, or None."""
        for worker in self._workers:
            if worker.key == key and not worker.ending and not worker.draining:
                return worker
        return None

    def named(self, name: str) -> list[PoolWorker]:
        """Return the workers of a model."""
        return [worker for worker in self._workers if worker.key.name == name and not worker.ending]

    def residents(self) -> list[Resident]:
        """Return all that takes memory."""
        return [worker.resident() for worker in self._workers]

    def needed(self, placement: Placement) -> Mapping[str, int]:
        """Return the bytes that a new worker will need: what was measured, if it has run before."""
        return self._measured.get(placement.key, placement.memory)

    def require_possible(self, placement: Placement) -> None:
        """Refuse what can't fit even alone: see `Pool.require_possible`."""
        if self.of(placement.key) is None:
            require_possible(f"The model {placement.key.name!r}", self.needed(placement), self.limits, self.residents())

    def room(self, placement: Placement) -> Plan:
        """Return what must be done so that a new worker fits."""
        return plan(self.needed(placement), self.residents(), self.limits)

    def open(self, placement: Placement) -> Worker:
        """Start a worker."""
        chosen = self._options.models.get(placement.key.name, ModelOptions())
        worker = Worker(self, placement, chosen, self._options.time_to_live)
        worker.memory.update(self.needed(placement))
        worker.process = WorkerProcess(
            self._share(),
            preload=self._options.preload,
            told=lambda message: self._soon(self._hear, worker, message),
            ended=lambda reason: self._soon(self._over, worker, reason),
        )
        self._workers.append(worker)
        self._keep(self._start(worker))
        return worker

    def end(self, worker: Worker, reason: str) -> None:
        """Ask an idle worker to end; the memory is free once it is gone."""
        if not worker.ending:
            worker.ending = True
            self._metrics.unloaded(worker.key.name, reason)
            self._keep(self._stop(worker))

    def release(self, worker: Worker) -> None:
        """Note that a call has ended; a worker that is to end does so with its last one."""
        worker.last_used = time.monotonic()
        if not worker.calls:
            self._loop.call_soon(self._end_if_done, worker)
            if not worker.measured:
                self._keep(self._measure(worker))

    async def ask(self, worker: Worker, seconds: float = _ANSWER_SECONDS) -> WorkerHealth:
        """Return whether a worker answers in time."""
        number, begun = next(self._numbers), time.monotonic()
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings[number] = answer
        worker.process.send(Ping(number))
        try:
            await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            return WorkerHealth(worker.key.name, False, None)
        finally:
            self._pings.pop(number, None)
        return WorkerHealth(worker.key.name, True, round(time.monotonic() - begun, 4))

    async def close(self, grace: float) -> None:
        """End all workers; return when they are gone."""
        for task in list(self._tasks):
            task.cancel()
        workers = list(self._workers)
        for worker in workers:
            worker.ending = True
        await asyncio.gather(*(asyncio.to_thread(worker.process.stop, grace) for worker in workers))
        if self._options.preload and CAN_FORK:
            await asyncio.to_thread(clean_parent.end)

    def _share(self) -> WorkerSetup:
        """Return the setup with this worker's share of the cores."""
        others = sum(1 for worker in self._workers if not worker.ending)
        return replace(self._setup, threads=max(1, thread_count() // (others + 1)))

    async def _start(self, worker: Worker) -> None:
        try:
            await asyncio.to_thread(worker.process.start)
        except Exception as error:
            logger.exception("a worker could not be started")
            self._over(worker, f"could not be started ({error})")
            return
        worker.started = True
        worker.last_answer = time.monotonic()
        self._callbacks.changed()
        if worker.draining:
            self._end_if_done(worker)

    def _end_if_done(self, worker: Worker) -> None:
        if worker.idle and worker.draining:
            self.end(worker, "recycled")
        elif worker.idle and worker.time_to_live == 0 and not worker.pinned:
            self.end(worker, "time_to_live")

    async def _stop(self, worker: Worker) -> None:
        await asyncio.to_thread(worker.process.stop, _STOP_GRACE)

    def _hear(self, worker: Worker, message: FromWorker) -> None:
        worker.last_answer = time.monotonic()
        worker.heard = True
        if isinstance(message, Pong):
            answer = self._pings.get(message.number)
            if answer is not None and not answer.done():
                answer.set_result(None)
            return
        self._callbacks.message(worker, message)

    def _over(self, worker: Worker, reason: str) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        worker.gone.set()
        if not worker.ending:
            worker.ending = True
            logger.warning("the worker of %s %s", worker.key.name, reason)
            self._metrics.unloaded(worker.key.name, "lost")
            if not worker.heard and not worker.calls:
                self._callbacks.stillborn(worker, reason)
        if worker.calls:
            self._callbacks.lost(worker, Loss(tuple(worker.calls.values()), reason, worker.ended_for))
        self._callbacks.changed()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = time.monotonic()
            for worker in self:
                if not worker.started or worker.ending:
                    continue
                if now - worker.last_answer > _SILENCE_SECONDS:
                    logger.warning("the worker of %s doesn't answer, and is ended", worker.key.name)
                    worker.process.kill()
                elif now - worker.last_answer > _MEASURE_SECONDS:
                    worker.process.send(Ping(0))
                if worker.idle and not worker.pinned and 0 <= worker.time_to_live < now - worker.last_used:
                    self.end(worker, "time_to_live")
                elif int(now / _WATCH_SECONDS) % int(_MEASURE_SECONDS) == 0:
                    await self._measure(worker)

    async def _measure(self, worker: Worker) -> None:
        """Correct what a model is said to take by what it takes; one that is at work may take more than it keeps."""
        found = await asyncio.to_thread(worker.process.memory)
        if worker.gone.is_set() or not found.main:
            return
        memory = {MAIN_MEMORY: found.main}
        if found.gpu:
            memory[next((name for name in worker.memory if name != MAIN_MEMORY), "cuda:0")] = found.gpu
        self._metrics.memory(worker.key.name, found.main, found.gpu)
        if worker.models and not worker.calls:
            worker.measured = True
            worker.memory = memory
            self._measured[worker.key] = memory
        elif worker.measured:
            worker.memory = {
                name: max(memory.get(name, 0), worker.memory.get(name, 0)) for name in {*memory, *worker.memory}
            }

    def _soon(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
