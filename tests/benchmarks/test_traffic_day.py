"""The simulation of a day repeats itself, loses nobody, agrees with queueing theory, and scales as Ray Serve does."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.scaling.autoscaling import Autoscaling, Decision
from benchmarks.scaling.simulation import Cluster, Outcome, Simulation
from benchmarks.scaling.sizing import needed
from benchmarks.scaling.traffic import DAY, HOUR, Rate, Work, arrivals

QUICK, SLOW = Work("classify", "encoder", 0.2, 3), Work("transcribe", "recogniser", 4.0, 1)


def simulated(seed: int = 1, rate: float = 0.5, **cluster: Any) -> Outcome:
    models = {"encoder": Autoscaling(0, 4), "recogniser": Autoscaling(0, 6)}
    options = {"start_seconds": {"encoder": 2.0, "recogniser": 8.0}, **cluster}
    coming = arrivals(Rate(rate, seed), [QUICK, SLOW], 6 * HOUR, seed)
    return Simulation(Cluster(models, **options), seed).run(coming, 6 * HOUR)


def test_the_same_seed_gives_the_same_day() -> None:
    assert simulated() == simulated()
    assert simulated().waits != simulated(seed=2).waits


@pytest.mark.parametrize("cluster", [{}, {"queue": 4}, {"queue": 4, "retries": 0}, {"cores": 2}])
def test_nobody_is_lost(cluster: dict[str, Any]) -> None:
    outcome = simulated(rate=2.0, **cluster)
    assert outcome.arrivals == outcome.served + outcome.given_up + outcome.unfinished
    assert outcome.arrivals > 1000
    if "queue" in cluster:
        assert sum(hour.refusals for hour in outcome.hours) > 0
        assert outcome.given_up == sum(hour.given_up for hour in outcome.hours)
    if cluster.get("retries") == 0:
        assert outcome.given_up > 0
    if "cores" in cluster:
        assert max(hour.most_replicas for hour in outcome.hours) == 2
    assert sum(hour.busy_seconds for hour in outcome.hours) <= HOUR * outcome.core_hours


def erlang_c(servers: int, load: float) -> float:
    """The probability that a request waits (A. K. Erlang 1917)."""
    waiting = load**servers / math.factorial(servers) * servers / (servers - load)
    return waiting / (sum(load**k / math.factorial(k) for k in range(servers)) + waiting)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.6), (4, 0.8)])
def test_waiting_times_are_those_of_queueing_theory(servers: int, utilisation: float) -> None:
    rate, seconds = servers * utilisation, 30_000.0
    always = Cluster({"m": Autoscaling(servers, servers)}, {"m": 0.0}, queue=10**9)
    coming = arrivals(rate, [Work("w", "m", 1.0, spread="exponential")], seconds, 0)
    waits = Simulation(always, sample_seconds=0).run(coming, seconds).waits
    expected = erlang_c(servers, rate) / (servers - rate)
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.06)
    waited = sum(wait > 0 for wait in waits) / len(waits)
    assert waited == pytest.approx(erlang_c(servers, rate), rel=0.05)


def test_constant_service_halves_the_wait() -> None:
    """Pollaczek and Khinchine: with one server and constant service, half of what exponential service has."""
    always = Cluster({"m": Autoscaling(1, 1)}, {"m": 0.0}, queue=10**9)
    coming = arrivals(0.7, [Work("w", "m", 1.0, spread="constant")], 40_000.0, 0)
    waits = Simulation(always, sample_seconds=0).run(coming, 40_000.0).waits
    assert sum(waits) / len(waits) == pytest.approx(0.7 / (2 * (1 - 0.7)), rel=0.06)


def test_a_model_comes_from_nothing_and_goes() -> None:
    cluster = Cluster({"m": Autoscaling(0, 2, downscale_delay_s=100)}, {"m": 7.0})
    one = list(arrivals(1.0, [Work("w", "m", 1.0, spread="constant")], 5.0, 0))[:1]
    outcome = Simulation(cluster, sample_seconds=10).run(one, 1000.0)
    assert outcome.waits == pytest.approx([7.0])
    assert outcome.hours[0].cold == outcome.hours[0].starts == 1
    assert outcome.replicas["m"][:3] == [0, 1, 1]
    assert outcome.replicas["m"][-1] == 0
    assert 107 < outcome.core_hours * HOUR < 150


def test_replicas_are_decided_as_ray_serve_decides() -> None:
    from ray.serve.autoscaling_policy import _apply_delay_logic

    chance = random.Random(0)
    settings = Autoscaling(0, 9, upscale_delay_s=3, downscale_delay_s=7)
    theirs = SimpleNamespace(upscale_delay_s=3, downscale_delay_s=7, downscale_to_zero_delay_s=None)
    ours, target, state, wanted = Decision(settings), 0, {}, 0
    seen = set()
    for second in range(5000):
        if chance.random() < 0.2:
            wanted = chance.randrange(10) if chance.random() < 0.5 else 0
        ours._apply(float(second), wanted)
        target, state = _apply_delay_logic(wanted, target, theirs, state, float(second))
        assert ours.target == target
        seen.add(target)
    assert seen == set(range(10))


def test_what_is_needed_is_enough_and_not_too_much() -> None:
    found = needed(2.0, [QUICK, SLOW], wait=3.0)
    assert all(each.wait <= 3.0 and each.replicas > each.load for each in found.values())
    strict = needed(2.0, [QUICK, SLOW], wait=0.1)
    assert strict["recogniser"].replicas > found["recogniser"].replicas
    assert found["recogniser"].load == pytest.approx(2.0)


def test_a_day_has_the_requests_that_were_asked_for() -> None:
    count = sum(1 for _ in arrivals(Rate(0.5, 1, bursts=0), [QUICK], DAY, 1))
    assert count == pytest.approx(0.5 * DAY, rel=0.03)
    assert sum(1 for _ in arrivals(Rate(0.5, 1), [QUICK], DAY, 1)) > count
