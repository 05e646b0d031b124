"""What becomes of a day's requests: how long do they wait, which are refused, how many replicas does it take?

A simulation (``benchmarks/scaling/simulation.py``) with the engine's queue, Ray Serve's autoscaling, and the seconds of
each operation from ``docs/scaling/costs.json``. A replica is one core. The day has quiet hours, peaks and bursts; its
requests, bursts and sizes are drawn with a seed, so that the same command prints the same.

    python -m benchmarks.traffic_day                              # 2 requests a second on average
    python -m benchmarks.traffic_day --rate 0.02 --seed 3         # a quiet service
    python -m benchmarks.traffic_day --machines 2 --cores 16      # no more replicas than there are cores
    python -m benchmarks.traffic_day --needed 1 10 100 --wait 2   # how many replicas such rates need
    python -m benchmarks.traffic_day --json day.json --picture day.png
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.line_plot import Panel, draw
from benchmarks.measure import quantile
from benchmarks.scaling.autoscaling import Autoscaling
from benchmarks.scaling.measured import Measured
from benchmarks.scaling.mix import start_seconds, works
from benchmarks.scaling.simulation import Cluster, Hour, Outcome, Simulation
from benchmarks.scaling.sizing import needed
from benchmarks.scaling.traffic import DAY, HOUR, SHAPE, Rate, Work, arrivals

RATE, SEED, WAIT, QUEUE = 2.0, 1, 5.0, 256
QUIET_RATE = 0.02
NEEDED_RATES = (1.0, 10.0, 100.0, 1000.0)
_ROOM = 2
"""So many times the replicas that the peak needs may be started, for bursts."""
_SAMPLE_SECONDS = 300.0


@dataclass(frozen=True)
class Day:
    """A day that is simulated.

    Attributes:
        rate: Requests a second on average, bursts left out.
        seed: Of everything that is drawn.
        queue: How many requests may wait.
        cores: How many replicas there may be together; None for no bound.
        wait: Seconds that 95 of 100 requests shall wait at most at the busiest hour.
    """

    rate: float = RATE
    seed: int = SEED
    queue: int = QUEUE
    cores: int | None = None
    wait: float = WAIT

    def run(self, models: Mapping[str, Autoscaling], measured: Measured) -> Outcome:
        """Return what happens."""
        cluster = Cluster(models, start_seconds(measured), self.queue, self.cores)
        coming = arrivals(Rate(self.rate, self.seed), works(measured), DAY, self.seed)
        return Simulation(cluster, self.seed, _SAMPLE_SECONDS).run(coming, DAY)

    def replicas_at_peak(self, measured: Measured) -> dict[str, int]:
        """Return how many replicas each model needs at the busiest hour, bursts left out."""
        busiest = self.rate * max(SHAPE) * len(SHAPE) / sum(SHAPE)
        return {
            model: found.replicas for model, found in needed(busiest, works(measured), self.wait, self.seed).items()
        }

    def ways(self, measured: Measured) -> dict[str, dict[str, Autoscaling]]:
        """Return the ways to scale that are compared."""
        peak = self.replicas_at_peak(measured)
        return {
            "always as many as the peak needs": {
                model: Autoscaling(min_replicas=count, max_replicas=count) for model, count in peak.items()
            },
            "one of each, more when needed": {
                model: Autoscaling(min_replicas=1, max_replicas=_ROOM * count) for model, count in peak.items()
            },
            "none of each, more when needed": {
                model: Autoscaling(min_replicas=0, max_replicas=_ROOM * count) for model, count in peak.items()
            },
        }


def summary(outcome: Outcome) -> dict[str, float]:
    """Return the figures of a whole day."""
    waits = outcome.waits
    return {
        "requests": outcome.arrivals,
        "served": outcome.served,
        "unfinished": outcome.unfinished,
        "p50_wait": quantile(waits, 0.5),
        "p95_wait": quantile(waits, 0.95),
        "p99_wait": quantile(waits, 0.99),
        "longest_wait": max(waits),
        "refusals": sum(hour.refusals for hour in outcome.hours),
        "given_up": outcome.given_up,
        "cold": sum(hour.cold for hour in outcome.hours),
        "starts": sum(hour.starts for hour in outcome.hours),
        "most_replicas": max(hour.most_replicas for hour in outcome.hours),
        "core_hours": outcome.core_hours,
        "busy_core_hours": sum(hour.busy_seconds for hour in outcome.hours) / HOUR,
    }


def hour_row(number: int, hour: Hour) -> dict[str, float]:
    """Return the figures of an hour."""
    return {
        "hour": number,
        "arrivals": hour.arrivals,
        "p50_wait": quantile(hour.waits, 0.5) if hour.waits else 0.0,
        "p95_wait": quantile(hour.waits, 0.95) if hour.waits else 0.0,
        "refusals": hour.refusals,
        "given_up": hour.given_up,
        "most_replicas": hour.most_replicas,
        "core_hours": hour.replica_seconds / HOUR,
        "busy_core_hours": hour.busy_seconds / HOUR,
    }


def hour_table(hours: Sequence[Mapping[str, float]], always: float) -> str:
    """Return the hours as a Markdown table.

    Args:
        hours: Rows of `hour_row`.
        always: Core-hours of an hour in which as many replicas stand ready as the peak needs.
    """
    lines = [
        "| hour | requests | wait, half | wait, 95 of 100 | refused | given up | most replicas | core-hours "
        "| of them working | always on |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in hours:
        lines.append(
            f"| {each['hour']:.0f} | {each['arrivals']:,.0f} | {each['p50_wait']:.1f} s | {each['p95_wait']:.1f} s "
            f"| {each['refusals']:,.0f} | {each['given_up']:,.0f} | {each['most_replicas']:.0f} "
            f"| {each['core_hours']:.2f} | {each['busy_core_hours']:.2f} | {always:.0f} |"
        )
    return "\n".join(lines)


def way_table(ways: Mapping[str, Mapping[str, float]]) -> str:
    """Return the ways to scale as a Markdown table."""
    lines = [
        "| replicas | core-hours | of them working | wait, half | 95 of 100 | 99 of 100 | refused | given up "
        "| replicas started | requests that met no replica |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, each in ways.items():
        lines.append(
            f"| {name} | {each['core_hours']:,.1f} | {each['busy_core_hours']:,.1f} | {each['p50_wait']:.1f} s "
            f"| {each['p95_wait']:.1f} s | {each['p99_wait']:.1f} s | {each['refusals']:,.0f} "
            f"| {each['given_up']:,.0f} | {each['starts']:,.0f} | {each['cold']:,.0f} |"
        )
    return "\n".join(lines)


def sizes(rates: Sequence[float], kinds: Sequence[Work], wait: float) -> list[dict[str, Any]]:
    """Return for each rate how many replicas each model needs."""
    found = []
    for rate in rates:
        models = needed(rate, kinds, wait)
        found.append(
            {
                "rate": rate,
                "wait": wait,
                "load": sum(each.load for each in models.values()),
                "replicas": {model: each.replicas for model, each in models.items()},
            }
        )
    return found


def size_table(found: Sequence[Mapping[str, Any]], cores: int = 16) -> str:
    """Return them as a Markdown table, with machines of so many cores."""
    models = list(found[0]["replicas"])
    lines = [
        f"| requests a second | {' | '.join(models)} | cores | of them working | machines of {cores} cores |",
        "| --- |" + " --- |" * (len(models) + 3),
    ]
    for each in found:
        counts = [each["replicas"][model] for model in models]
        total = sum(counts)
        cells = " | ".join(f"{count:,}" for count in counts)
        lines.append(
            f"| {each['rate']:,.4g} | {cells} | {total:,} | {100 * each['load'] / total:.0f} % "
            f"| {-(-total // cores):,} |"
        )
    return "\n".join(lines)


def draw_day(path: Path, outcome: Outcome) -> None:
    """Draw the requests, the replicas, what waits, and the waiting times of a day."""
    hours = [time / HOUR for time in outcome.sampled]
    own = [outcome.hours[min(int(hour), len(outcome.hours) - 1)] for hour in hours]
    waits = [(quantile(hour.waits, 0.5), quantile(hour.waits, 0.95)) if hour.waits else (0.0, 0.0) for hour in own]
    draw(
        path,
        hours,
        [
            Panel("requests a second, in each hour", {"came": [hour.arrivals / HOUR for hour in own]}),
            Panel("replicas, one core each", outcome.replicas),
            Panel("requests that wait", {"waiting": outcome.waiting}),
            Panel(
                "seconds that requests waited, in each hour",
                {"half of them": [half for half, _ in waits], "95 of 100": [most for _, most in waits]},
            ),
        ],
        unit="h",
    )


def whole_day(day: Day, measured: Measured) -> tuple[dict[str, Any], Outcome]:
    """Return all figures of a day, and what happened where replicas come and go."""
    ways, outcome = {}, None
    for name, models in day.ways(measured).items():
        outcome = day.run(models, measured)
        ways[name] = summary(outcome)
    assert outcome is not None
    document = {
        "rate": day.rate,
        "seed": day.seed,
        "queue": day.queue,
        "cores": day.cores,
        "wait": day.wait,
        "peak": day.replicas_at_peak(measured),
        "ways": ways,
        "hours": [hour_row(number, hour) for number, hour in enumerate(outcome.hours)],
    }
    return document, outcome


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traffic_day", description=__doc__.split("\n")[0])
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second, on average over the day")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--queue", type=int, default=QUEUE, help="how many requests may wait")
    parser.add_argument("--machines", type=int, help="how many there are; by default as many as are needed")
    parser.add_argument("--cores", type=int, default=16, help="of a machine")
    parser.add_argument("--wait", type=float, default=WAIT, help="seconds that 95 of 100 requests wait at most")
    parser.add_argument("--needed", type=float, nargs="+", metavar="RATE", help="only say what such rates need")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures here, with those of a quiet day"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the day, as PNG")
    options = parser.parse_args()
    measured = Measured()
    if options.needed:
        print(size_table(sizes(options.needed, works(measured), options.wait), options.cores))
        return
    bound = None if options.machines is None else options.machines * options.cores
    day = Day(options.rate, options.seed, options.queue, bound, options.wait)
    document, outcome = whole_day(day, measured)
    print(f"{day.rate:g} requests a second on average, seed {day.seed}; replicas come and go, from none:\n")
    print(hour_table(document["hours"], sum(document["peak"].values())))
    print(f"\nWays to scale:\n\n{way_table(document['ways'])}")
    if options.picture is not None:
        draw_day(options.picture, outcome)
    if options.json is not None:
        quiet, _ = whole_day(replace(day, rate=QUIET_RATE), measured)
        kept = {"day": document, "quiet": quiet, "needed": sizes(NEEDED_RATES, works(measured), options.wait)}
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
