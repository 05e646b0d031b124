"""How many replicas a mix of requests needs so that hardly anybody waits long: the simulation, again and again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import quantile
from benchmarks.scaling.autoscaling import Autoscaling
from benchmarks.scaling.simulation import Cluster, Simulation
from benchmarks.scaling.traffic import Work, arrivals, mean_rates

_REQUESTS = 6000
_SHORTEST_SECONDS = 60.0
_SERVICES = 20
"""A run is so many times as long as a request, for at its beginning nobody waits."""
_NEVER_FULL = 10**9


@dataclass(frozen=True)
class Needed:
    """What a model needs.

    Attributes:
        rate: Requests a second.
        load: How many replicas would work all the time.
        replicas: How many there must be.
        wait: The 95th percentile of the seconds that requests wait.
    """

    rate: float
    load: float
    replicas: int
    wait: float


def needed(rate: float, works: Sequence[Work], wait: float, seed: int = 0) -> Mapping[str, Needed]:
    """Return what each model needs at a rate that stays the same.

    Args:
        rate: Requests a second, of all kinds together.
        works: Kinds of requests.
        wait: Seconds that 95 of 100 requests to each model wait at most.
        seed: Of the requests.
    """
    rates = mean_rates(rate, works)
    found = {}
    for model in dict.fromkeys(work.model for work in works):
        own = [work for work in works if work.model == model]
        found[model] = _needed(sum(rates[work.name] for work in own), own, wait, seed)
    return found


def _needed(rate: float, works: Sequence[Work], wait: float, seed: int) -> Needed:
    total = sum(work.share for work in works)
    load = rate * sum(work.share * work.seconds for work in works) / total
    replicas = max(1, math.ceil(load))
    while True:
        if replicas > load:
            waited = _wait(rate, works, replicas, seed)
            if waited <= wait:
                return Needed(rate, load, replicas, waited)
        replicas += max(1, replicas // 100)


def _wait(rate: float, works: Sequence[Work], replicas: int, seed: int) -> float:
    longest = max(work.seconds for work in works)
    seconds = max(_REQUESTS / rate, _SHORTEST_SECONDS, _SERVICES * longest)
    always = Autoscaling(min_replicas=replicas, max_replicas=replicas)
    model = works[0].model
    cluster = Cluster({model: always}, {model: 0.0}, queue=_NEVER_FULL)
    outcome = Simulation(cluster, sample_seconds=0).run(arrivals(rate, works, seconds, seed), seconds)
    return quantile(outcome.waits, 0.95) if outcome.waits else 0.0
