"""Carrying calls to replicas and answers back, and what becomes of calls that bring none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from sensorium.cluster.serving.deployment import ModelDeployment
from sensorium.cluster.serving.passes import Pass
from sensorium.cluster.serving.replica_report import ReplicaReport
from sensorium.engine.live_job import LiveJob
from sensorium.engine.pool import Callbacks, Loss
from sensorium.engine.wire import Cancel, Failed, ToWorker
from sensorium.errors import InternalError

_REST_SECONDS = 1.0
"""How long Serve gets no calls of a model after it has refused some."""


class Carriage:
    """Carries the passes of all deployments, in the engine's loop.

    Args:
        callbacks: Told what happens.
        order: Tells a replica something.
        seen: Told what a replica says of itself when it takes a pass.
        gone: Told which replica of a deployment is gone.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        order: Callable[[ReplicaReport, ToWorker], None],
        seen: Callable[[ReplicaReport], None],
        gone: Callable[[ModelDeployment, str], None],
    ) -> None:
        self._callbacks = callbacks
        self._order = order
        self._seen = seen
        self._gone = gone
        self._ended_for: dict[str, LiveJob] = {}
        """The jobs because of which replicas are being ended."""

    async def carry(self, worker: ModelDeployment, sent: Pass) -> None:
        """Bring a pass to a replica, and its answers back."""
        error: Exception | None = None
        try:
            async for message in sent.answers(worker.handle, self._seen):
                self._callbacks.message(worker, message)
                while sent.unwanted and sent.replica is not None:
                    self._order(sent.replica, Cancel(sent.unwanted.pop()))
        except asyncio.CancelledError:
            if sent.unfinished:  # this engine ends; otherwise Serve says so of what was taken back
                raise
        except Exception as found:
            error = found
        self._conclude(worker, sent, error)
        sent.unfinished.clear()
        worker.passes.remove(sent)
        self._callbacks.changed()

    def lose(
        self,
        worker: ModelDeployment,
        passes: Iterable[Pass],
        reason: str,
        *,
        ended_for: LiveJob | None = None,
        innocent: bool = False,
    ) -> None:
        """Tell that the process is gone which has some passes; those of them that haven't begun wait again."""
        passes = list(passes)
        replica = next((each.replica.replica for each in passes if each.replica is not None), "")
        ended_for = self._ended_for.pop(replica, ended_for)
        begun = [each for each in passes if each.begun]
        lost = _jobs(worker, begun)
        if ended_for is not None and ended_for not in lost and ended_for.id in worker.calls:
            lost.append(ended_for)
        waiting = [job for job in _jobs(worker, passes) if job not in lost]
        for each in passes:
            each.unfinished.clear()
        if replica:
            self._gone(worker, replica)
        if lost:
            self._callbacks.lost(worker, Loss(tuple(lost), reason, ended_for, innocent))
        for job in waiting:
            self._callbacks.refused(worker, job)

    def end_for(self, worker: ModelDeployment, job: LiveJob) -> str | None:
        """Return the name of the actor that must end because of a job; None if no replica has it, and it is lost."""
        sent = worker.pass_of(job.id)
        if sent is None:
            return None
        if sent.replica is not None:
            self._ended_for[sent.replica.replica] = job
            return sent.replica.actor
        sent.cut_off()
        self.lose(worker, [sent], "wasn't there in time", ended_for=job)
        return None

    def _conclude(self, worker: ModelDeployment, sent: Pass, error: Exception | None) -> None:
        """See to the calls of a pass that hasn't brought an end of them."""
        end = sent.end_of(error)
        if end == "lost":
            self.lose(worker, _beside(worker, sent), "has died on its machine")
        elif end == "refused":
            worker.resting_until = time.monotonic() + _REST_SECONDS
            asyncio.get_running_loop().call_later(_REST_SECONDS, self._callbacks.changed)
            for job in _jobs(worker, [sent]):
                self._callbacks.refused(worker, job)
        elif end == "broken":
            said = InternalError("A process of the cluster has a fault", "The server's log says more").to_dict()
            for job in _jobs(worker, [sent]):
                self._callbacks.message(worker, Failed(job.id, said))


def _beside(worker: ModelDeployment, sent: Pass) -> list[Pass]:
    """Return the passes that the same replica has."""
    replica = "" if sent.replica is None else sent.replica.replica
    return [each for each in worker.passes if each.replica is not None and each.replica.replica == replica]


def _jobs(worker: ModelDeployment, passes: Iterable[Pass]) -> list[LiveJob]:
    return [worker.calls[call] for each in passes for call in each.unfinished if call in worker.calls]
