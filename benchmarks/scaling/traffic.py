"""When requests come on a day: quiet at night, peaks in the morning and afternoon, and bursts; and what they ask."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

HOUR, DAY = 3600.0, 86_400.0

SHAPE = (3, 2, 1, 1, 1, 2, 4, 8, 13, 17, 19, 18, 15, 16, 18, 18, 16, 14, 12, 12, 11, 9, 7, 5)
"""How much comes at each full hour, beside the other hours."""
BURSTS = 10
"""How many times a day something makes many ask at once."""
BURST_FACTOR = (2.0, 4.0)
BURST_SECONDS = (120.0, 600.0)

Spread = Literal["constant", "exponential", "lognormal"]
_DEVIATION = 0.5
"""Standard deviation over mean of service times that are ``"lognormal"``: photos and recordings of unlike sizes."""


@dataclass(frozen=True)
class Work:
    """One kind of request.

    Attributes:
        name: The operation's.
        model: Whose replicas do it.
        seconds: A replica works on one, on average.
        share: How often it comes beside the others.
        spread: How the seconds are distributed.
    """

    name: str
    model: str
    seconds: float
    share: float = 1.0
    spread: Spread = "lognormal"

    def draw(self, chance: random.Random) -> float:
        """Return the seconds of one request."""
        if self.spread == "constant":
            return self.seconds
        if self.spread == "exponential":
            return chance.expovariate(1 / self.seconds)
        variance = math.log(1 + _DEVIATION**2)
        return chance.lognormvariate(math.log(self.seconds) - variance / 2, math.sqrt(variance))


@dataclass(frozen=True)
class Arrival:
    """One request.

    Attributes:
        time: When it comes, in seconds from midnight.
        work: What it asks.
        seconds: How long a replica works on it.
    """

    time: float
    work: Work
    seconds: float


class Rate:
    """Requests a second over a day.

    Args:
        mean: Over the whole day, bursts left out.
        seed: Of the bursts.
        bursts: How many.
    """

    def __init__(self, mean: float, seed: int, bursts: int = BURSTS) -> None:
        chance = random.Random(seed)
        self._mean = mean
        self._usual = sum(SHAPE) / len(SHAPE)
        self._bursts: list[tuple[float, float, float]] = []
        for _ in range(bursts):
            begin, length = chance.uniform(0, DAY), chance.uniform(*BURST_SECONDS)
            self._bursts.append((begin, begin + length, chance.uniform(*BURST_FACTOR)))

    def __call__(self, time: float) -> float:
        """Return the rate at a time."""
        hour = time / HOUR % len(SHAPE)
        early, late = SHAPE[int(hour)], SHAPE[(int(hour) + 1) % len(SHAPE)]
        shape = early + (late - early) * (hour % 1)
        factor = max((more for begin, end, more in self._bursts if begin <= time < end), default=1.0)
        return self._mean * shape / self._usual * factor

    @property
    def most(self) -> float:
        """A rate that is never exceeded."""
        return self._mean * max(SHAPE) / self._usual * max([1.0, *(more for _, _, more in self._bursts)])


def arrivals(rate: Rate | float, works: Sequence[Work], seconds: float, seed: int) -> Iterator[Arrival]:
    """Yield the requests of a Poisson process, in their order.

    Args:
        rate: Requests a second, the same all the time or of a day.
        works: What they ask.
        seconds: For how long they come.
        seed: Of everything.
    """
    chance = random.Random(seed)
    shares = [work.share for work in works]
    most = rate.most if isinstance(rate, Rate) else rate
    time = chance.expovariate(most)
    while time < seconds:
        if not isinstance(rate, Rate) or chance.random() * most < rate(time):
            (work,) = chance.choices(works, shares)
            yield Arrival(time, work, work.draw(chance))
        time += chance.expovariate(most)


def mean_rates(rate: float, works: Sequence[Work]) -> Mapping[str, float]:
    """Return the requests a second of each kind of work."""
    total = sum(work.share for work in works)
    return {work.name: rate * work.share / total for work in works}
