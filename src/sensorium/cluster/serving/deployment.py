"""A model on a cluster: an application of Ray Serve with replicas that come and go, as the engine's worker."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from typing import Any, Protocol

from sensorium.cluster.serving.applications import Application
from sensorium.cluster.serving.passes import Pass
from sensorium.cluster.serving.replica_report import ReplicaReport
from sensorium.engine.job import ModelState, WorkerHealth
from sensorium.engine.live_job import LiveJob
from sensorium.engine.options import STARTER
from sensorium.engine.placement import Placement
from sensorium.engine.wire import Cancel, Failed, FromWorker, Load, Run, ToWorker
from sensorium.errors import CancelledError


class Carrier(Protocol):
    """What a deployment asks of its pool, which knows Ray."""

    def carry(self, worker: ModelDeployment, sent: Pass) -> None:
        """Bring a pass to a replica, and its answers back."""

    def order(self, replica: ReplicaReport, message: ToWorker) -> None:
        """Tell a replica something."""

    def hear(self, worker: ModelDeployment, message: FromWorker) -> None:
        """Pass on what a deployment says, after what is being done."""

    def end_replica_for(self, worker: ModelDeployment, job: LiveJob) -> None:
        """End the replica that has a job; without one, take the job back from Serve."""

    def end(self, worker: ModelDeployment, reason: str) -> None:
        """Delete a deployment; its memory is free once it is gone."""

    def pin(self, worker: ModelDeployment, pinned: bool) -> None:
        """Let one replica of a deployment stay, or not."""

    async def ask(self, worker: ModelDeployment) -> WorkerHealth:
        """Ask all replicas of a deployment."""


class ModelDeployment:
    """A model's application, and what the engine knows of it: see `PoolWorker`.

    Args:
        pool: What it belongs to.
        placement: The first operation's.
        application: How it is deployed.
    """

    def __init__(self, pool: Carrier, placement: Placement, application: Application) -> None:
        self._pool = pool
        self.key = placement.key
        self.application = application
        self.handle: Any = None
        self.started = False
        self.ending = False
        self.draining = False
        self.calls: dict[str, LiveJob] = {}
        self.passes: list[Pass] = []
        self.replicas: dict[str, ReplicaReport] = {}
        """What each replica said last."""
        self.running = 0
        """How many replicas there are."""
        self.resting_until = 0.0
        """Until when Serve gets no more of its calls, because it has refused some."""
        self.answered = False
        self._next_lane = ""
        self._at_once = placement.at_once
        self.born = self.last_used = time.monotonic()
        self.gone = asyncio.Event()
        self.changing = asyncio.Lock()
        """Held by whoever deploys or deletes it: what is deleted must not be deployed behind that."""

    @property
    def idle(self) -> bool:
        """Whether it could end now."""
        return self.started and not self.ending and not self.calls

    def takes(self, job: LiveJob) -> bool:
        """Return whether a job can go to Serve now.

        A bit more goes there than the replicas take, so that Serve sees that more of them are needed. All else waits
        in the engine's own queue, where it has a place and can be moved.
        """
        if not self.started or self.ending or self.draining or time.monotonic() < self.resting_until:
            return False
        open_passes = [each for each in self.passes if each.unfinished]
        if len(open_passes) >= self._most_passes():
            return False
        if self.key.name != STARTER and self._at_once == 1:
            return True
        if job.alone or any(call.alone for call in self.calls.values()):
            return not self.calls
        if self._at_once > 1:
            return True
        lane = self._lane(job.placement)
        further = 1 if self.running < self.application.most_replicas else 0
        return sum(each.lane == lane for each in open_passes) < max(1, self.running + further)

    def _most_passes(self) -> int:
        taken = self.running * self.application.per_replica
        more = max(self.application.per_replica, math.ceil(taken / 2))
        return min(taken + more, self.application.most_replicas * self.application.per_replica)

    def _lane(self, placement: Placement) -> str:
        return "+".join(placement.models) if self.key.name == STARTER else ""

    def _free_lane(self) -> str:
        """Return a lane that no open pass is in: other servers do the work, and do it side by side."""
        taken = {each.lane for each in self.passes if each.unfinished}
        return next(lane for lane in map(str, itertools.count()) if lane not in taken)

    def expect(self, placement: Placement) -> None:
        """Note in which lane the next calls go."""
        self._next_lane = self._lane(placement)

    def send(self, message: ToWorker) -> None:
        """Send calls to Serve, or an order to the replica that has a call."""
        if isinstance(message, Run | Load):
            sent = Pass(message, self._next_lane if self._at_once == 1 else self._free_lane())
            self.passes.append(sent)
            self._pool.carry(self, sent)
        elif isinstance(message, Cancel):
            self._cancel(message)

    def _cancel(self, message: Cancel) -> None:
        sent = self.pass_of(message.id)
        if sent is None:
            return
        if sent.replica is not None:
            self._pool.order(sent.replica, message)
            return
        sent.unwanted.add(message.id)
        sent.unfinished.discard(message.id)
        if not sent.unfinished:
            sent.cut_off()
        self._pool.hear(self, Failed(message.id, CancelledError("The job was cancelled").to_dict()))

    def pass_of(self, call: str) -> Pass | None:
        """Return the pass in which a call is that hasn't ended."""
        return next((each for each in self.passes if call in each.unfinished), None)

    def release(self) -> None:
        """Note that a call has ended; a deployment that is to end does so with its last one."""
        self.last_used = time.monotonic()
        if not self.calls and self.draining:
            asyncio.get_running_loop().call_soon(self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self.idle:
            self.end("recycled")

    def spoil(self, job: LiveJob) -> None:
        """Do nothing: the replica that ran the job ends by itself after its other calls, and Serve starts another."""

    def end_for(self, job: LiveJob) -> None:
        """End the replica that doesn't let go of a job, and with it all of its calls."""
        self._pool.end_replica_for(self, job)

    def end(self, reason: str) -> None:
        """Delete the application, if it isn't on its way."""
        self._pool.end(self, reason)

    def pin(self, pinned: bool) -> None:
        """Say whether one replica is always there. Serve puts new replicas in the place of those that there are."""
        self._pool.pin(self, pinned)

    async def ask(self) -> WorkerHealth:
        """Return whether all replicas answer in time; none need to be there."""
        return await self._pool.ask(self)

    def state(self) -> ModelState:
        """Return it as users see it."""
        word = "ending" if self.ending else "starting" if not self.started else "working" if self.calls else "idle"
        reports = list(self.replicas.values())
        return ModelState(
            name=self.key.name,
            device=self.key.device,
            state=word,
            pid=reports[0].pid if reports else 0,
            memory=sum(report.memory for report in reports),
            gpu_memory=sum(report.gpu_memory for report in reports),
            pinned=self.application.pinned,
            time_to_live=self.application.time_to_live,
            idle_seconds=0.0 if self.calls else round(time.monotonic() - self.last_used, 1),
            running=tuple(self.calls),
            replicas=self.running,
        )
