"""What can be set of the models of a cluster."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sensorium.engine.options import Options


class ModelDeploymentOptions(Options):
    """What can be set of the deployments in which models run on a cluster."""

    name: str = "sensorium"
    """How the names of the deployments begin; two engines on one cluster need two names."""
    replicas: Annotated[int, Field(ge=1)] = 4
    """How many processes of one model there may be."""
    replicas_of: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """The same for single models, by name."""
    cpus: Annotated[float, Field(ge=0)] = 1.0
    """How many of Ray's CPUs each process takes; it computes with as many threads, at least one."""
    gpu_memory: Annotated[int | None, Field(gt=0)] = None
    """Bytes of memory of one GPU. By default it is measured where Ray says that there is one; say it if GPUs come only
    with the work."""
    upscale_seconds: Annotated[float, Field(ge=0)] = 5.0
    """How long more requests than the processes take must be there before another process is started."""

    def most_replicas(self, model: str) -> int:
        """Return how many processes of a model there may be."""
        return self.replicas_of.get(model, self.replicas)
