"""How many actors a cluster has room for, and what each of them asks it for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensorium.errors import InputError

_FINEST = 64
"""Into how many parts a processor, or a GPU, is divided at most."""


@dataclass(frozen=True)
class Actors:
    """How many actors a batch has.

    Attributes:
        least: So many at least.
        most: So many at most; between the two, Ray starts and ends them as there is work.
        gpus: GPUs for each; a half lets two share one. None for as many as there are, shared by all.
        processors: Processors of the cluster for each; None for one, or less where there aren't enough.

    Raises:
        InputError: A number can't be.
    """

    least: int = 1
    most: int = 1
    gpus: float | None = None
    processors: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise InputError(f"{self} actors can't be", "Write 4, or 1-8 for as many as there is work for")
        for what, amount in (("GPUs", self.gpus), ("processors", self.processors)):
            if amount is not None and not 0 <= amount < math.inf:
                raise InputError(f"{amount:g} {what} per actor can't be", "Write 0 or more, such as 0.5")

    def __str__(self) -> str:
        return str(self.most) if self.least == self.most else f"{self.least}-{self.most}"

    @staticmethod
    def of(text: str, *, gpus: float | None = None, processors: float | None = None) -> Actors:
        """Return the numbers that ``4`` or ``1-8`` stands for.

        Raises:
            InputError: It stands for none.
        """
        least, dash, most = text.strip().partition("-")
        most = most if dash else least
        if not least.isdigit() or not most.isdigit():
            raise InputError(f"{text!r} is no number of actors", "Write 4, or 1-8 for as many as there is work for")
        return Actors(int(least), int(most), gpus, processors)


def share(actors: Actors, machines: Sequence[Mapping[str, float]], device: str = "auto") -> dict[str, Any]:
    """Return what one actor asks for, such that the most of them fit in, for one that doesn't fit would wait.

    Args:
        actors: How many.
        machines: What each machine of the cluster has in all, ``CPU`` and ``GPU``.
        device: Where the models run.

    Raises:
        InputError: The cluster hasn't what is asked for.
    """
    processors = _part(actors.processors, 1.0, "CPU", actors, machines)
    asked: dict[str, Any] = {"num_cpus": processors}
    if device != "cpu" and actors.gpus != 0 and (actors.gpus or any(each.get("GPU") for each in machines)):
        asked["num_gpus"] = _part(actors.gpus, 1.0, "GPU", actors, machines)
    _require_room(asked, actors, machines)
    return asked


def _part(
    asked: float | None, most: float, kind: str, actors: Actors, machines: Sequence[Mapping[str, float]]
) -> float:
    """Return what is asked for, or the largest part of one with which all actors fit in."""
    if asked is not None:
        return asked
    parts = (most / divisor for divisor in range(1, _FINEST + 1))
    return next((part for part in parts if _room({kind: part}, machines) >= actors.most), most / _FINEST)


def _room(asked: Mapping[str, float], machines: Sequence[Mapping[str, float]]) -> int:
    """Return how many actors fit on all machines together."""
    return sum(
        min((int(machine.get(kind, 0.0) / amount + 1e-6) for kind, amount in asked.items() if amount), default=_FINEST)
        for machine in machines
    )


def _require_room(asked: Mapping[str, float], actors: Actors, machines: Sequence[Mapping[str, float]]) -> None:
    kinds = {"CPU": asked["num_cpus"], "GPU": asked.get("num_gpus", 0.0)}
    room = _room(kinds, machines)
    if room >= actors.least:
        return
    total = {kind: sum(machine.get(kind, 0.0) for machine in machines) for kind in kinds}
    needs = " and ".join(f"{amount:g} {kind}s" for kind, amount in kinds.items() if amount)
    has = f"{total['CPU']:g} CPUs and {total['GPU']:g} GPUs on {len(machines)} machines"
    raise InputError(
        f"The cluster has room for {room} of {actors.least} actors of {needs} each: it has {has}",
        f"Take --actors {room}, or less for each" if room else "Ask for less for each actor, or add machines",
    )
