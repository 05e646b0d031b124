"""Which models must go so that another one fits: least recently used first, never one at work, never a pinned one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sensorium.engine.placement import WorkerKey
from sensorium.errors import InsufficientMemoryError

Verdict: TypeAlias = Literal["fits", "evict", "wait"]


@dataclass(frozen=True)
class Resident:
    """A loaded model, as the budget sees it.

    Attributes:
        key: Its worker.
        memory: Bytes that it takes, by the name of the memory.
        idle: Whether it could go now: not at work, not starting, not ending.
        pinned: Whether it must stay.
        last_used: When it worked last, by the monotonic clock.
    """

    key: WorkerKey
    memory: Mapping[str, int]
    idle: bool
    pinned: bool
    last_used: float


@dataclass(frozen=True)
class Plan:
    """What is to be done so that a model fits.

    Attributes:
        verdict: ``"fits"`` now; ``"evict"`` these first; ``"wait"`` until others have done their work.
        evicted: The workers to end.
    """

    verdict: Verdict
    evicted: tuple[WorkerKey, ...] = ()


def plan(needed: Mapping[str, int], residents: Iterable[Resident], limits: Mapping[str, int]) -> Plan:
    """Return how room is made for a model.

    Args:
        needed: Bytes by the name of the memory.
        residents: All that is loaded, being loaded or ending.
        limits: Bytes that all models together may take, by the name of the memory.
    """
    held = list(residents)
    free = {name: limits.get(name, 0) - sum(each.memory.get(name, 0) for each in held) for name in needed}
    evicted: list[WorkerKey] = []
    candidates = sorted((each for each in held if each.idle and not each.pinned), key=lambda each: each.last_used)
    for each in candidates:
        lacking = {name for name, size in needed.items() if free[name] < size}
        if not lacking:
            break
        if any(each.memory.get(name, 0) for name in lacking):
            evicted.append(each.key)
            for name in needed:
                free[name] += each.memory.get(name, 0)
    if any(free[name] < size for name, size in needed.items()):
        # What is idle stays until all that is needed can be had: others may use it meanwhile.
        return Plan("wait")
    return Plan("evict", tuple(evicted)) if evicted else Plan("fits")


def require_possible(
    what: str, needed: Mapping[str, int], limits: Mapping[str, int], pinned: Iterable[Resident] = ()
) -> None:
    """Refuse a model that can't fit even alone with those that are pinned.

    Args:
        what: The model's name.
        needed: Bytes by the name of the memory.
        limits: As for `plan`.
        pinned: The models that stay.

    Raises:
        InsufficientMemoryError: With both sizes.
    """
    kept = [each for each in pinned if each.pinned]
    for name, size in needed.items():
        taken = sum(each.memory.get(name, 0) for each in kept)
        room = limits.get(name, 0) - taken
        if size > room:
            memory = "main memory" if name == "main" else f"the memory of {name}"
            beside = f" beside the pinned models ({_gigabytes(taken)})" if taken else ""
            raise InsufficientMemoryError(
                f"{what} needs {_gigabytes(size)} and would not fit into {memory}: models may take "
                f"{_gigabytes(limits.get(name, 0))} in all{beside}",
                "Choose a smaller model, or give the server more memory to use",
            )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
