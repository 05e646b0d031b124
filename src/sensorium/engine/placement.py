"""Which worker process an operation belongs to, and how much memory its models are said to need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from sensorium.engine.options import STARTER, EngineOptions
from sensorium.errors import InputError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.models import store
from sensorium.models.catalog import Checkpoint, named, names_only
from sensorium.models.quantizing import cannot_be_quantized, known_quantize, quantized_bytes
from sensorium.operations.operation import Operation

MAIN_MEMORY = "main"
_PRESENCE_SECONDS = 10.0
_UNKNOWN_SIZE = 1_000_000_000

_seen: dict[Checkpoint, float] = {}
"""When a checkpoint was last found here. Its name alone wouldn't do: one of which a part is left out has the same."""


@dataclass(frozen=True)
class WorkerKey:
    """What tells worker processes apart.

    Attributes:
        name: The checkpoints' names, joined by ``+``, or `STARTER`.
        device: As it was asked for.
        dtype: As it was asked for.
        quantize: As it was asked for; "" for weights that stay as they are.
    """

    name: str
    device: str
    dtype: str
    quantize: str = ""


@dataclass(frozen=True)
class Placement:
    """Where an operation runs.

    Attributes:
        key: Its worker.
        models: The names of its checkpoints, the most important one first.
        memory: Bytes that the models are said to need, by the name of the memory: ``"main"``, ``"cuda:0"``.
        at_once: How many calls its worker runs side by side, because other servers do the work.
    """

    key: WorkerKey
    models: tuple[str, ...]
    memory: Mapping[str, int]
    at_once: int = 1


def place(operation: Operation, options: EngineOptions, gpus: int) -> Placement:
    """Return where an operation runs.

    Args:
        operation: What is to be done.
        options: The engine's.
        gpus: How many GPUs there are.

    Raises:
        ModelUnavailableError: A checkpoint is unknown, or not on this machine.
        InputError: A checkpoint is named by its path.
        UnsupportedError: A checkpoint is behind another server, or is to be quantized and can't be.
    """
    device, dtype, asked = operation.placement()
    quantize = _known_quantize(operation, asked)
    try:
        with names_only():
            checkpoints, additions = operation.checkpoints(), operation.additions()
        for checkpoint in (*checkpoints, *additions):
            _require_usable(checkpoint)
    except SensoriumError as error:
        error.param = "model"
        raise
    names = tuple(dict.fromkeys(checkpoint.name for checkpoint in checkpoints))
    small = all(STARTER in checkpoint.profiles for checkpoint in checkpoints)
    key = WorkerKey(STARTER if small else "+".join(sorted(names)), device, dtype, asked)
    needed = sum(_declared(checkpoint, options, quantize) for checkpoint in checkpoints)
    servers = [checkpoint.server for checkpoint in checkpoints if checkpoint.server is not None]
    if not servers or len(servers) < len(checkpoints):
        return Placement(key, names, {_memory_of(device, gpus): needed})
    return Placement(key, names, {MAIN_MEMORY: 0}, at_once=min(server.requests for server in servers))


def _require_usable(checkpoint: Checkpoint) -> None:
    """Refuse what a client must not decide: paths of this machine, other servers, downloads of gigabytes."""
    if checkpoint.folder:
        raise InputError(
            f"The model {checkpoint.name!r} is a folder of this machine: those can't be named here",
            "Name a catalog entry or a hub id",
        )
    if checkpoint.server is not None:
        return
    if checkpoint.endpoint:
        raise UnsupportedError(
            f"The model {checkpoint.name!r} is behind another server, which can't be named here", "Ask it directly"
        )
    now = time.monotonic()
    if now - _seen.get(checkpoint, -_PRESENCE_SECONDS) < _PRESENCE_SECONDS:
        return
    needed = (checkpoint, *(named(name) for name in checkpoint.companions))
    for each in needed:
        if not store.is_present(each):
            raise ModelUnavailableError(
                f"The checkpoint {each.name!r} is not on this machine",
                f"Pull it first: 'sensorium models pull {each.name}', where the server runs",
            )
    _seen[checkpoint] = now


def _known_quantize(operation: Operation, asked: str) -> str | None:
    """Return how weights are to be quantized; what can't be is refused before other models make room for it."""
    try:
        quantize = known_quantize(asked or None)
        if quantize is not None and not operation.quantizable:
            raise cannot_be_quantized(f"What {operation.name!r} opens")
    except SensoriumError as error:
        error.param = "quantize"
        raise
    return quantize


def _declared(checkpoint: Checkpoint, options: EngineOptions, quantize: str | None) -> int:
    chosen = options.models.get(checkpoint.name)
    if chosen is not None and chosen.memory is not None:
        return chosen.memory
    if checkpoint.server is not None:
        return 0
    if checkpoint.components:
        return sum(_declared(named(name), options, None) for name in checkpoint.components)
    # The size of the files doesn't tell in which precision the weights are, so that of it nothing is taken off.
    return quantized_bytes(checkpoint.memory_bytes, quantize) or checkpoint.size_bytes or _UNKNOWN_SIZE


def _memory_of(device: str, gpus: int) -> str:
    if device == "cpu" or not gpus or device == "mps":
        return MAIN_MEMORY
    return device if ":" in device else "cuda:0"
