"""Ray Serve's applications of models: deploying, deleting, asking how they are. All of it may take seconds."""

from __future__ import annotations

import logging
import math
import re
import secrets
import warnings
from dataclasses import dataclass
from typing import Any

from sensorium.engine.graphics_cards import memory_sizes
from sensorium.engine.placement import WorkerKey

_LONGEST_NAME = 60
_HUNDREDTH = 100
_CANT_START = "REPLICA_STARTUP_FAILED"
_METRICS_SECONDS = 1.0
"""How often Serve counts requests for its scaling; ten seconds, its own choice, are longer than most of ours."""
_SERVES_NAMESPACE = "serve"
_ATTEMPTS = 3
"""How often a replica that can't be started is started again."""


@dataclass(frozen=True)
class Application:
    """How a model is deployed.

    Attributes:
        name: Of the application.
        setup: The line of the `WorkerSetup` that replicas get.
        per_replica: How many requests a replica takes at once.
        most_replicas: How many replicas there may be.
        pinned: Whether one of them is always there.
        time_to_live: Seconds without requests after which the last one goes; negative for never.
        upscale_seconds: How long there must be more requests before there are more replicas.
        time_limit: Seconds that a replica which is to go may take to end its calls.
        grace: Seconds that calls have to stop when they are cut off.
        cpus: Ray's CPUs of a replica.
        gpus: Ray's GPUs of a replica: a fraction of one.
        memory: Bytes of main memory that Ray sets aside for a replica.
    """

    name: str
    setup: bytes
    per_replica: int
    most_replicas: int
    pinned: bool
    time_to_live: float
    upscale_seconds: float
    time_limit: float
    grace: float
    cpus: float
    gpus: float
    memory: int


@dataclass(frozen=True)
class ApplicationState:
    """How an application is.

    Attributes:
        failed: Why it can't be started, or "".
        running: How many replicas it has.
        coming: How many are being started.
    """

    failed: str
    running: int
    coming: int


def application_name(prefix: str, key: WorkerKey) -> str:
    """Return a new name for the application of a model: its own, and what no other application has."""
    said = "-".join(word for word in (key.name, key.device, key.dtype, key.quantize) if word not in ("", "auto"))
    return f"{prefix}{re.sub(r'[^A-Za-z0-9.]+', '-', said)[:_LONGEST_NAME].strip('-')}-{secrets.token_hex(3)}"


def gpu_fraction(needed: int, memory: int) -> float:
    """Return the part of a GPU that a model takes, in hundredths rounded up; at least one hundredth."""
    return min(1.0, max(1, math.ceil(needed * _HUNDREDTH / memory)) / _HUNDREDTH)


LOGGING = {"log_level": "WARNING", "enable_access_log": False}
"""How much Serve's processes write down: not each request."""


def connect() -> None:
    """See that Serve runs; start it without any port if it doesn't."""
    from ray import serve

    status = serve.status()
    if not status.proxies and not status.applications:
        serve.start(proxy_location="Disabled")


def deploy(application: Application, switchboard: Any) -> Any:
    """Deploy an application, or deploy it anew with other options; return the handle that requests go through."""
    from ray import serve
    from ray.serve.api import RunTarget, run_many

    from sensorium.cluster.serving.replica import ModelReplica

    deployment: Any = serve.deployment(ModelReplica)
    chosen = deployment.options(
        name="model",
        logging_config=LOGGING,
        ray_actor_options={
            "num_cpus": application.cpus,
            "num_gpus": application.gpus,
            **({"memory": application.memory} if application.memory else {}),
        },
        autoscaling_config=_scaling(application),
        max_ongoing_requests=application.per_replica,
        graceful_shutdown_timeout_s=application.time_limit,
        graceful_shutdown_wait_loop_s=0.2,
        max_constructor_retry_count=_ATTEMPTS,
    )
    bound = chosen.bind(application.setup, switchboard, application.grace)
    (handle,) = run_many(
        [RunTarget(bound, name=application.name, route_prefix=None)], wait_for_applications_running=False
    )
    return handle.options(method_name="run", stream=True)


def _scaling(application: Application) -> Any:
    from ray.serve.config import AutoscalingConfig

    stays = application.pinned or application.time_to_live < 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there is no other way to say it for one deployment
        return AutoscalingConfig(
            min_replicas=1 if stays else 0,
            initial_replicas=1,
            max_replicas=application.most_replicas,
            target_ongoing_requests=1,
            metrics_interval_s=_METRICS_SECONDS,
            look_back_period_s=2 * _METRICS_SECONDS,
            upscale_delay_s=application.upscale_seconds,
            downscale_delay_s=max(0.0, application.time_to_live),
            downscale_to_zero_delay_s=max(0.0, application.time_to_live),
        )


def states(prefix: str) -> dict[str, ApplicationState]:
    """Return how the applications are whose names begin in a certain way."""
    from ray import serve

    found = {}
    for name, application in serve.status().applications.items():
        if name.startswith(prefix):
            deployments = application.deployments.values()
            # Serve calls a deployment unhealthy too that has lost a replica and starts another.
            failed = next((each.message for each in deployments if each.status_trigger == _CANT_START), "")
            if application.status == "DEPLOY_FAILED":
                failed = failed or application.message or "it can't be deployed"
            counts = [each.replica_states for each in deployments]
            found[name] = ApplicationState(failed, _sum(counts, "RUNNING"), _sum(counts, "STARTING", "UPDATING"))
    return found


def _sum(counts: list[Any], *words: str) -> int:
    return sum(
        number for count in counts for state, number in count.items() if str(getattr(state, "value", state)) in words
    )


def delete(name: str, *, wait: bool = True) -> None:
    """Delete an application.

    Args:
        name: Of the application.
        wait: Whether to return only when nothing of it is left; else Serve deletes it meanwhile.

    Raises:
        TimeoutError: It isn't gone after a minute.
    """
    from ray import serve

    serve.delete(name, _blocking=wait)


def end_replica(actor: str) -> None:
    """End a replica's process at once, by the name of its actor."""
    import ray

    try:
        ray.kill(ray.get_actor(actor, namespace=_SERVES_NAMESPACE), no_restart=True)
    except ValueError:
        logging.getLogger("sensorium.engine").info("the replica %s is gone already", actor)


def cluster_gpus() -> int:
    """Return how many GPUs the cluster has now."""
    ray = _ray()
    return int(ray.cluster_resources().get("GPU", 0))


def largest_memory() -> int:
    """Return the bytes of main memory that Ray may give away on the machine that has the most of it."""
    ray = _ray()
    return max((int(node["Resources"].get("memory", 0)) for node in ray.nodes() if node["Alive"]), default=0)


def largest_processors() -> float:
    """Return the CPUs that Ray may give away on the machine that has the most of them."""
    ray = _ray()
    return max((float(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]), default=0.0)


def measured_gpu_memory() -> int:
    """Return the bytes of memory of a GPU of the cluster; 0 if there is none."""
    import ray

    if not cluster_gpus():
        return 0
    sizes: tuple[int, ...] = ray.get(ray.remote(memory_sizes).options(num_cpus=0, num_gpus=1 / _HUNDREDTH).remote())
    return min(sizes, default=0)


def _ray() -> Any:
    """Return Ray, some of whose functions say no types."""
    import ray

    return ray
