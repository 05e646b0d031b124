"""Queue and autoscaling, event by event: one bounded queue, and for each model replicas that do one thing at a time.

It is what `sensorium.engine.dispatcher` does, with replicas in place of workers, and without batches: requests wait in
their order; a full queue refuses with a time after which to try again, as the dispatcher counts it.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.scaling.autoscaling import Autoscaling, Decision
from benchmarks.scaling.traffic import HOUR, Arrival

TICK_SECONDS = 1.0
"""How often it is decided how many replicas there shall be."""
_RECENT = 50
_LONGEST_RETRY_SECONDS = 60.0
_UNKNOWN_RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Cluster:
    """What serves.

    Attributes:
        models: For each model how it is scaled.
        start_seconds: For each model how long a replica takes until it can work.
        queue: How many requests may wait.
        cores: How many replicas there may be together, one a core; None for no bound.
        retries: How often a client that was refused tries again before it gives up.
    """

    models: Mapping[str, Autoscaling]
    start_seconds: Mapping[str, float]
    queue: int = 256
    cores: int | None = None
    retries: int = 3


@dataclass
class Hour:
    """What happened in an hour.

    Attributes:
        arrivals: Requests that came for the first time.
        waits: Seconds from when requests came first to when work on them began, of those whose work began.
        refusals: How often the queue was full.
        given_up: Requests that were refused for good.
        replica_seconds: Of all replicas, from their start to their end.
        busy_seconds: Of those, in which they worked.
        most_replicas: At a time.
        starts: How many replicas were started.
        cold: Requests that had to wait for a model of which there was no replica.
    """

    arrivals: int = 0
    waits: list[float] = field(default_factory=list)
    refusals: int = 0
    given_up: int = 0
    replica_seconds: float = 0.0
    busy_seconds: float = 0.0
    most_replicas: int = 0
    starts: int = 0
    cold: int = 0


@dataclass
class Outcome:
    """What happened.

    Attributes:
        hours: In each hour.
        served: How many requests were done.
        given_up: How many were refused for good.
        unfinished: How many waited, ran, or were about to try again at the end.
        replicas: For each model, how many there were at each sample.
        sampled: When, in seconds.
        waiting: How many requests waited at each sample.
    """

    hours: list[Hour]
    served: int = 0
    given_up: int = 0
    unfinished: int = 0
    replicas: dict[str, list[int]] = field(default_factory=dict)
    sampled: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    @property
    def arrivals(self) -> int:
        """How many requests came."""
        return sum(hour.arrivals for hour in self.hours)

    @property
    def waits(self) -> list[float]:
        """The waiting times of all hours."""
        return [wait for hour in self.hours for wait in hour.waits]

    @property
    def core_hours(self) -> float:
        """Of all replicas, working or not."""
        return sum(hour.replica_seconds for hour in self.hours) / HOUR


@dataclass
class _Request:
    arrival: Arrival
    tries: int = 0


class _Replicas:
    """The replicas of one model, and the requests that wait for them."""

    def __init__(self, settings: Autoscaling) -> None:
        self.decision = Decision(settings)
        self.waiting: deque[_Request] = deque()
        self.starting = self.idle = self.busy = self.leaving = 0
        self._area = self._since = 0.0

    @property
    def alive(self) -> int:
        return self.starting + self.idle + self.busy

    @property
    def ongoing(self) -> int:
        return len(self.waiting) + self.busy

    def note(self, now: float) -> float:
        """Return the integral of ongoing requests; called before each change of them."""
        self._area += self.ongoing * (now - self._since)
        self._since = now
        return self._area


class Simulation:
    """Runs once.

    Args:
        cluster: What serves.
        seed: Of how clients that were refused come back.
        sample_seconds: How often the number of replicas is written down; 0 for never.
    """

    def __init__(self, cluster: Cluster, seed: int = 0, sample_seconds: float = 60.0) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed)
        self._models = {name: _Replicas(settings) for name, settings in cluster.models.items()}
        self._events: list[tuple[float, int, str, Any]] = []
        self._number = 0
        self._waiting = self._alive = 0
        self._ended: deque[float] = deque(maxlen=_RECENT)
        self._noted = 0.0
        self._sample_seconds = sample_seconds
        self._outcome = Outcome([], replicas={name: [] for name in cluster.models})

    def run(self, arrivals: Iterable[Arrival], until: float) -> Outcome:
        """Return what happens.

        Args:
            arrivals: The requests, in their order.
            until: When it ends, in seconds.
        """
        coming = iter(arrivals)
        for name, model in self._models.items():
            model.idle = model.decision.target  # these have been there since yesterday
            self._alive += model.idle
            if model.decision.changes:
                self._at(0.0, "decide", name)
        if self._sample_seconds:
            self._at(0.0, "sample", None)
        self._come(coming)
        while self._events and self._events[0][0] <= until:
            now, _, kind, what = heapq.heappop(self._events)
            self._pass_time(now)
            if kind == "come":
                self._hour(now).arrivals += 1
                self._come(coming)
                self._ask(now, _Request(what))
            else:
                getattr(self, f"_{kind}")(now, what)
        self._pass_time(until)
        tries_left = sum(1 for _, _, kind, _ in self._events if kind == "ask")
        running = sum(model.busy for model in self._models.values())
        self._outcome.unfinished = self._waiting + running + tries_left
        return self._outcome

    def _at(self, time: float, kind: str, what: Any) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, kind, what))

    def _come(self, coming: Any) -> None:
        arrival = next(coming, None)
        if arrival is not None:
            self._at(arrival.time, "come", arrival)

    def _hour(self, now: float) -> Hour:
        number = int(now // HOUR)
        while len(self._outcome.hours) <= number:
            self._outcome.hours.append(Hour())
        return self._outcome.hours[number]

    def _pass_time(self, now: float) -> None:
        """Count the replicas' seconds since the last event."""
        while self._noted < now:
            end = min(now, (self._noted // HOUR + 1) * HOUR)
            hour = self._hour(self._noted)
            hour.replica_seconds += self._alive * (end - self._noted)
            hour.most_replicas = max(hour.most_replicas, self._alive)
            self._noted = end

    def _ask(self, now: float, request: _Request) -> None:
        if self._waiting >= self._cluster.queue:
            self._refuse(now, request)
            return
        model = self._models[request.arrival.work.model]
        model.note(now)
        if model.idle + model.busy == 0:
            self._hour(now).cold += 1
        model.waiting.append(request)
        self._waiting += 1
        if model.idle + model.busy == 0 and model.decision.changes:
            self._scale(now, request.arrival.work.model, model)
        self._begin(now, model)

    def _refuse(self, now: float, request: _Request) -> None:
        hour = self._hour(now)
        hour.refusals += 1
        if request.tries >= self._cluster.retries:
            hour.given_up += 1
            self._outcome.given_up += 1
            return
        request.tries += 1
        self._at(now + self._retry_after(now) + self._chance.random(), "ask", request)

    def _retry_after(self, now: float) -> float:
        if len(self._ended) < 2:
            return _UNKNOWN_RETRY_SECONDS
        pace = (now - self._ended[0]) / len(self._ended)
        return min(max(1.0, pace * max(1, self._waiting // 4)), _LONGEST_RETRY_SECONDS)

    def _begin(self, now: float, model: _Replicas) -> None:
        while model.idle and model.waiting:
            model.note(now)
            request = model.waiting.popleft()
            self._waiting -= 1
            model.idle -= 1
            model.busy += 1
            self._hour(now).waits.append(now - request.arrival.time)
            self._at(now + request.arrival.seconds, "finish", request)

    def _finish(self, now: float, request: _Request) -> None:
        model = self._models[request.arrival.work.model]
        model.note(now)
        model.busy -= 1
        self._outcome.served += 1
        self._hour(now).busy_seconds += request.arrival.seconds
        self._ended.append(now)
        if model.leaving:
            model.leaving -= 1
            self._alive -= 1
        else:
            model.idle += 1
            self._begin(now, model)

    def _decide(self, now: float, name: str) -> None:
        self._scale(now, name, self._models[name])
        self._at(now + TICK_SECONDS, "decide", name)

    def _scale(self, now: float, name: str, model: _Replicas) -> None:
        area = model.note(now)
        target = model.decision.decide(now, area, model.ongoing, model.idle + model.busy - model.leaving)
        missing = target - (model.alive - model.leaving)
        if missing > 0:
            self._start(now, name, model, missing)
        elif missing < 0:
            gone = min(-missing, model.idle)
            model.idle -= gone
            self._alive -= gone
            model.leaving += min(-missing - gone, model.busy - model.leaving)

    def _start(self, now: float, name: str, model: _Replicas, missing: int) -> None:
        stays = min(missing, model.leaving)
        model.leaving -= stays
        missing -= stays
        if self._cluster.cores is not None:
            missing = min(missing, self._cluster.cores - self._alive)
        for _ in range(missing):
            model.starting += 1
            self._alive += 1
            self._hour(now).starts += 1
            self._at(now + self._cluster.start_seconds[name], "ready", name)

    def _ready(self, now: float, name: str) -> None:
        model = self._models[name]
        model.starting -= 1
        model.idle += 1
        self._begin(now, model)

    def _sample(self, now: float, what: None) -> None:
        self._outcome.sampled.append(now)
        self._outcome.waiting.append(self._waiting)
        for name, model in self._models.items():
            self._outcome.replicas[name].append(model.alive)
        self._at(now + self._sample_seconds, "sample", None)
