"""All models of an engine on a cluster: deploying and deleting them, carrying their calls, how they are."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any

from sensorium.cluster.serving import applications
from sensorium.cluster.serving.applications import Application, ApplicationState
from sensorium.cluster.serving.carriage import Carriage
from sensorium.cluster.serving.deployment import ModelDeployment
from sensorium.cluster.serving.model_options import ModelDeploymentOptions
from sensorium.cluster.serving.passes import Pass
from sensorium.cluster.serving.replica_report import ReplicaReport, report_of
from sensorium.cluster.serving.switchboard import Switchboard
from sensorium.engine.job import WorkerHealth
from sensorium.engine.live_job import LiveJob
from sensorium.engine.memory_budget import Plan, require_possible
from sensorium.engine.metrics import Metrics
from sensorium.engine.options import STARTER, EngineOptions, ModelOptions
from sensorium.engine.placement import MAIN_MEMORY, Placement, WorkerKey
from sensorium.engine.pool import Callbacks, PoolWorker
from sensorium.engine.wire import Cancel, Failed, FromWorker, Ping, ToWorker, WorkerSetup, line_of
from sensorium.errors import SensoriumError, WorkerLostError
from sensorium.models.extras import missing_packages_explained

logger = logging.getLogger("sensorium.engine")

_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 0.7
_REST_SECONDS = 1.0
_FRESH_SECONDS = 15.0
"""Of more replicas than Serve counts, those are gone that haven't reported for so long."""
_STARTER_MODELS_AT_ONCE = 4
_WAITING_REPLICAS = 10_000
"""How many replicas may wait for orders at the same time."""


@dataclass(frozen=True)
class _Cluster:
    """What the cluster has.

    Attributes:
        gpus: How many GPUs.
        gpu_memory: Bytes of each one.
        memory: Bytes of main memory of the machine that has the most.
    """

    gpus: int = 0
    gpu_memory: int = 0
    memory: int = 0


def deployment_pool(
    chosen: ModelDeploymentOptions,
) -> Callable[[EngineOptions, WorkerSetup, Metrics, Callbacks], DeploymentPool]:
    """Return what makes the pool of an engine on the cluster that this process is connected to.

    Args:
        chosen: What can be set of the models.
    """

    def make(options: EngineOptions, setup: WorkerSetup, metrics: Metrics, callbacks: Callbacks) -> DeploymentPool:
        return DeploymentPool(chosen, options, setup, metrics, callbacks)

    return make


class DeploymentPool:
    """The models of an engine as applications of Ray Serve: see `Pool`. Ray must be connected before `start`.

    Args:
        chosen: What can be set of the models.
        options: The engine's.
        setup: What every replica is told at its start.
        metrics: Told what happens.
        callbacks: Told what happens.
    """

    def __init__(
        self,
        chosen: ModelDeploymentOptions,
        options: EngineOptions,
        setup: WorkerSetup,
        metrics: Metrics,
        callbacks: Callbacks,
    ) -> None:
        self._chosen = chosen
        self._options = options
        self._setup = replace(setup, threads=max(1, int(chosen.cpus)))
        self._metrics = metrics
        self._callbacks = callbacks
        self._prefix = f"{chosen.name}-model-"
        self._deployments: list[ModelDeployment] = []
        self._carriage = Carriage(callbacks, self.order, self.take, self.let_go)
        self._heard_at: dict[str, float] = {}
        self._pings: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._cluster = _Cluster(gpu_memory=options.gpu_memory or chosen.gpu_memory or 0)
        self._switchboard: Any = None
        self._ready: asyncio.Task[None] | None = None

    @property
    def gpus(self) -> int:
        """How many GPUs the cluster has; one, if it is said to get some with the work."""
        return self._cluster.gpus or (1 if self._cluster.gpu_memory else 0)

    def __iter__(self) -> Iterator[ModelDeployment]:
        return iter(list(self._deployments))

    def start(self) -> None:
        """Delete what an earlier engine has left, and begin to watch."""
        self._ready = asyncio.ensure_future(self._prepared())
        self._keep(self._watch())
        self._keep(self._listen())

    def of(self, key: WorkerKey) -> ModelDeployment | None:
        """Return the deployment that takes new calls for a key, or None."""
        for worker in self._deployments:
            if worker.key == key and not worker.ending and not worker.draining:
                return worker
        return None

    def named(self, name: str) -> list[PoolWorker]:
        """Return the deployments of a model."""
        return [worker for worker in self._deployments if worker.key.name == name and not worker.ending]

    def require_possible(self, placement: Placement) -> None:
        """Refuse what fits on no machine of the cluster: see `Pool.require_possible`."""
        limits = dict.fromkeys(placement.memory, self._cluster.gpu_memory)
        limits[MAIN_MEMORY] = self._options.memory or self._cluster.memory
        needed = {name: size for name, size in placement.memory.items() if limits[name]}
        require_possible(f"The model {placement.key.name!r}", needed, limits)

    def room(self, placement: Placement) -> Plan:
        """Return that there is room: Ray looks for it, and the deployment waits until it has found some."""
        return Plan("fits")

    def open(self, placement: Placement) -> ModelDeployment:
        """Deploy a model."""
        worker = ModelDeployment(self, placement, self._application(placement))
        self._deployments.append(worker)
        self._keep(self._deploy(worker))
        return worker

    async def close(self, grace: float) -> None:
        """Stop all calls and delete all deployments; return when they are gone."""
        for worker in self:
            for sent in worker.passes:
                for call in list(sent.unfinished):
                    worker.send(Cancel(call))
        with_calls = [sent for worker in self for sent in worker.passes]
        deadline = time.monotonic() + grace
        while any(sent.unfinished for sent in with_calls) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        for sent in with_calls:
            if sent.unfinished and sent.replica is not None:
                await asyncio.to_thread(applications.end_replica, sent.replica.actor)
            elif sent.unfinished:
                sent.cut_off()
        for task in list(self._tasks):
            task.cancel()
        if self._ready is not None:
            self._ready.cancel()
            await asyncio.wait({self._ready})
        await asyncio.to_thread(self._delete_all, wait=True)

    # What deployments ask of it

    def carry(self, worker: ModelDeployment, sent: Pass) -> None:
        """Bring a pass to a replica, and its answers back."""
        self._keep(self._carriage.carry(worker, sent))

    def order(self, replica: ReplicaReport, message: ToWorker) -> None:
        """Tell a replica something."""
        self._switchboard.order.remote(replica.replica, line_of(message))

    def hear(self, worker: ModelDeployment, message: FromWorker) -> None:
        """Pass on what a deployment says, after what is being done."""
        asyncio.get_running_loop().call_soon(self._callbacks.message, worker, message)

    def end_replica_for(self, worker: ModelDeployment, job: LiveJob) -> None:
        """End the replica that has a job; without one, take the job back from Serve."""
        actor = self._carriage.end_for(worker, job)
        if actor is not None:
            self._keep(asyncio.to_thread(applications.end_replica, actor))

    def end(self, worker: ModelDeployment, reason: str) -> None:
        """Delete a deployment; its memory is free once it is gone."""
        if not worker.ending:
            worker.ending = True
            self._metrics.unloaded(worker.key.name, reason)
            self._keep(self._delete(worker))

    def pin(self, worker: ModelDeployment, pinned: bool) -> None:
        """Let one replica of a deployment stay, or not."""
        if worker.application.pinned != pinned:
            worker.application = replace(worker.application, pinned=pinned)
            if worker.started:
                self._keep(self._deploy(worker))

    async def ask(self, worker: ModelDeployment) -> WorkerHealth:
        """Ask all replicas of a deployment."""
        begun = time.monotonic()
        number = next(self._numbers)
        answers = []
        for replica in worker.replicas.values():
            answer = self._pings[replica.replica, number] = asyncio.get_running_loop().create_future()
            answers.append(answer)
            self.order(replica, Ping(number))
        if not answers:
            return WorkerHealth(worker.key.name, True, None)
        await asyncio.wait(answers, timeout=_ANSWER_SECONDS)
        for key in [key for key in self._pings if key[1] == number]:
            del self._pings[key]
        # One that has just been stopped, because there was no work for it, doesn't answer either.
        alive = sum(answer.done() for answer in answers) >= min(worker.running, len(answers))
        return WorkerHealth(worker.key.name, alive, round(time.monotonic() - begun, 4) if alive else None)

    # Inside

    async def _prepared(self) -> None:
        """Prepare, as often as it takes: where a machine has died, Ray may need a while, and jobs wait meanwhile."""
        while True:
            try:
                return await asyncio.to_thread(self._prepare)
            except SensoriumError:
                raise
            except Exception:
                logger.exception("the cluster is not ready for models; trying again")
                await asyncio.sleep(_REST_SECONDS)

    def _prepare(self) -> None:
        with missing_packages_explained("An engine on a cluster"):
            import ray.serve  # noqa: F401
        applications.connect()
        # Not waited for: on a machine that has died it may take minutes, and names are never used twice.
        self._delete_all(wait=False)
        self._switchboard = _switchboard()
        self._look_at_cluster()

    def _delete_all(self, *, wait: bool) -> None:
        for name in applications.states(self._prefix):
            applications.delete(name, wait=wait)

    def _look_at_cluster(self) -> None:
        gpus = applications.cluster_gpus()
        known = self._cluster.gpu_memory
        self._cluster = _Cluster(
            gpus, known or (applications.measured_gpu_memory() if gpus else 0), applications.largest_memory()
        )

    def _application(self, placement: Placement) -> Application:
        name = placement.key.name
        chosen = self._options.models.get(name, ModelOptions())
        on_gpu = sum(size for memory, size in placement.memory.items() if memory != MAIN_MEMORY)
        return Application(
            name=applications.application_name(self._prefix, placement.key),
            setup=line_of(self._setup),
            per_replica=_STARTER_MODELS_AT_ONCE if name == STARTER else placement.at_once,
            most_replicas=self._chosen.most_replicas(name),
            pinned=chosen.pinned,
            time_to_live=self._options.time_to_live if chosen.time_to_live is None else chosen.time_to_live,
            upscale_seconds=self._chosen.upscale_seconds,
            time_limit=self._options.time_limit,
            grace=self._options.cancel_grace,
            cpus=self._chosen.cpus,
            gpus=applications.gpu_fraction(on_gpu, self._cluster.gpu_memory) if on_gpu else 0.0,
            memory=placement.memory.get(MAIN_MEMORY, 0),
        )

    async def _deploy(self, worker: ModelDeployment) -> None:
        try:
            assert self._ready is not None
            await asyncio.shield(self._ready)
            async with worker.changing:
                if worker.ending:
                    return
                worker.handle = await asyncio.to_thread(applications.deploy, worker.application, self._switchboard)
        except Exception as error:
            logger.exception("a model could not be deployed")
            self._fail(worker, f"could not be deployed ({error})")
            return
        worker.started = True
        self._callbacks.changed()
        if worker.draining and worker.idle:
            worker.end("asked")

    async def _delete(self, worker: ModelDeployment) -> None:
        try:
            async with worker.changing:
                await asyncio.to_thread(applications.delete, worker.application.name)
        except Exception:
            logger.exception("the deployment of %s could not be deleted", worker.key.name)
        self._forget(worker)

    def _forget(self, worker: ModelDeployment) -> None:
        self._deployments.remove(worker)
        self._metrics.replicas(worker.key.name, 0)
        worker.gone.set()
        self._callbacks.changed()

    def _fail(self, worker: ModelDeployment, reason: str) -> None:
        """Let go of a deployment that can't be had; whoever waits for it would wait for ever."""
        if worker.ending or worker not in self._deployments:
            return
        logger.warning("the deployment of %s %s", worker.key.name, reason)
        worker.ending = True
        self._metrics.unloaded(worker.key.name, "lost")
        if not worker.calls:
            self._callbacks.stillborn(worker, reason)
        error = WorkerLostError(f"The deployment of {worker.key.name!r} {reason}", "Try again").to_dict()
        for call in list(worker.calls):
            self._callbacks.message(worker, Failed(call, error))
        for sent in worker.passes:
            sent.cut_off()
            sent.unfinished.clear()
        self._keep(self._delete(worker))

    async def _watch(self) -> None:
        assert self._ready is not None
        await asyncio.shield(self._ready)
        for turn in itertools.count():
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if self._deployments:
                    asked = time.monotonic()
                    self._note(await asyncio.to_thread(applications.states, self._prefix), asked)
                if turn % 60 == 0:
                    await asyncio.to_thread(self._look_at_cluster)
            except Exception as error:  # Serve's controller is being started anew
                logger.warning("Ray Serve doesn't say how its applications are: %s", error)

    def _note(self, states: dict[str, ApplicationState], asked: float) -> None:
        """Note how the applications were at a moment."""
        for worker in self:
            state = states.get(worker.application.name)
            if state is None or worker.ending:
                continue
            if state.failed and not state.running:
                self._fail(worker, f"could not be started ({state.failed.strip().splitlines()[-1]})")
                continue
            if state.running != worker.running:
                worker.running = state.running
                self._metrics.replicas(worker.key.name, state.running)
                self._callbacks.changed()
            more = max(0, len(worker.replicas) - state.running)
            silent = _FRESH_SECONDS if state.running or state.coming else 0.0
            for replica in sorted(worker.replicas, key=lambda each: self._heard_at[each])[:more]:
                if asked - self._heard_at[replica] > silent:
                    self.let_go(worker, replica)
            self._metrics.memory(worker.key.name, worker.state().memory, worker.state().gpu_memory)

    def let_go(self, worker: ModelDeployment, replica: str) -> None:
        """Forget a replica that is gone."""
        worker.replicas.pop(replica, None)
        self._heard_at.pop(replica, None)
        self._switchboard.forget.remote(replica)

    async def _listen(self) -> None:
        import ray

        assert self._ready is not None
        await asyncio.shield(self._ready)
        while True:
            try:
                for line in await self._switchboard.reports.remote():
                    self.take(report_of(line))
            except ray.exceptions.ActorUnavailableError:
                await asyncio.sleep(_REST_SECONDS)
            except ray.exceptions.RayActorError:
                self._start_over()

    def _start_over(self) -> None:
        """Deploy all models anew: the switchboard is gone, and without it their replicas end."""
        logger.warning("the switchboard of the cluster has ended; all models are loaded anew")
        self._switchboard = _switchboard()
        for worker in self:
            worker.draining = True
            self._carriage.lose(worker, worker.passes, "has ended with its engine's switchboard", innocent=True)
            self.end(worker, "lost")

    def take(self, report: ReplicaReport) -> None:
        """Note what a replica says of itself."""
        for worker in self._deployments:
            if worker.application.name == report.deployment and not worker.ending:
                worker.replicas[report.replica] = report
                self._heard_at[report.replica] = time.monotonic()
        answer = self._pings.get((report.replica, report.answers))
        if answer is not None and not answer.done():
            answer.set_result(None)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        # Without the context of whoever asks: where the engine is itself in Serve, Serve would take this for a part of
        # the request that is being answered, and cancel it with that.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _switchboard() -> Any:
    import ray

    return ray.remote(Switchboard).options(num_cpus=0, max_concurrency=_WAITING_REPLICAS).remote()
