"""Does a server that works for long stay as it was? Mixed jobs of a few clients on loopback, and what it takes.

Some jobs are cancelled, some clients vanish in the middle, some inputs are bad (`soak_clients`). At the end all models
are unloaded, and the server is stopped. A table and a picture tell what became of the jobs, and what the server took.

    python -m benchmarks.soak --minutes 20 [--clients 4] [--to benchmarks/results]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
import psutil

from benchmarks.line_plot import Panel, draw
from benchmarks.measure import machine
from benchmarks.served import sensorium_serve
from benchmarks.soak_clients import API, EXPECTED, KINDS, Client, Kind, Outcomes, inputs
from benchmarks.watched_server import FIGURES, Sample, Watcher, slope

KEEP_SECONDS = 120
"""How long the server keeps what has ended: its folder must have stopped growing long before the end."""
UNITS = {"server": "MB", "parent": "MB", "workers": "MB", "all": "MB", "shared": "MB", "data": "MB", "health": "ms"}
PANELS = {
    "Memory in MB: what each would give back (USS), and of all together (PSS)": (
        "all",
        "workers",
        "server",
        "parent",
    ),
    "Open files, threads and processes": ("files", "threads", "processes"),
    "Milliseconds until /health answers": ("health",),
    "MB in the server's folder and in /dev/shm": ("data", "shared"),
}


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes:
        samples: While it worked, from when all models were loaded on.
        before: After all models were loaded and unloaded once.
        after: After all models were unloaded.
        outcomes: What became of all that was asked.
        unexpected: What should not have happened.
        left: Processes that were there when the server had ended.
    """

    samples: Sequence[Sample]
    before: Sample
    after: Sample
    outcomes: Outcomes
    unexpected: Sequence[str]
    left: Sequence[int]

    @property
    def is_well(self) -> bool:
        """Whether nothing happened that shouldn't."""
        return not self.unexpected and not self.left

    def outcome_table(self) -> str:
        """Return how often each operation had which outcome, by the way in which it was asked for, as Markdown."""
        operations = sorted({operation for operation, _, _ in self.outcomes})
        lines = [_line("operation", *EXPECTED, "unexpected"), _line(*["---"] * (len(EXPECTED) + 2))]
        for operation in [*operations, ""]:
            cells = [self._outcomes(operation, way) for way in EXPECTED]
            lines.append(_line(operation or "all", *cells, self._count(operation, outcome="unexpected")))
        return "\n".join(lines)

    def figure_table(self) -> str:
        """Return what the server took, as Markdown."""
        lines = [
            _line("figure", "nothing loaded", "start", "middle", "end", "most", "growth an hour", "all unloaded"),
            _line(*["---"] * 8),
        ]
        moments = (self.before, self.samples[0], self.samples[len(self.samples) // 2], self.samples[-1])
        for figure in FIGURES:
            values = [getattr(each, figure) for each in moments]
            values.append(max(getattr(each, figure) for each in self.samples))
            name = f"{figure}, {UNITS[figure]}" if figure in UNITS else figure
            growth, after = slope(self.samples, figure), getattr(self.after, figure)
            lines.append(_line(name, *(f"{value:.1f}" for value in values), f"{growth:+.1f}", f"{after:.1f}"))
        return "\n".join(lines)

    def draw(self, path: Path) -> None:
        """Draw the figures over time as PNG."""
        panels = [
            Panel(title, {name: [getattr(each, name) for each in self.samples] for name in names})
            for title, names in PANELS.items()
        ]
        draw(path, [each.minute for each in self.samples], panels)

    def _outcomes(self, operation: str, way: str) -> str:
        counts = {each: self._count(operation, way, each) for each in sorted(EXPECTED[way])}
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)

    def _count(self, operation: str = "", way: str = "", outcome: str = "") -> int:
        wanted = (operation, way, outcome)
        return sum(
            count
            for key, count in self.outcomes.items()
            if all(not part or part == its for part, its in zip(wanted, key, strict=True))
        )


def soak(
    seconds: float, *, clients: int = 4, kinds: Sequence[Kind] = KINDS, every: float = 5.0, keep: int = KEEP_SECONDS
) -> Report:
    """Let clients ask for so many seconds; return what came out.

    Args:
        seconds: How long, beside what loading takes before.
        clients: How many ask at the same time.
        kinds: What they ask.
        every: Seconds between samples.
        keep: Seconds that the server keeps what has ended.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = inputs(folder)
        with sensorium_serve(folder / "data", "--keep-seconds", str(keep)) as (address, process):
            outcomes, unexpected = Outcomes(), list[str]()
            everybody = [Client(kinds, files, seed, outcomes, unexpected) for seed in range(clients)]
            with closing(Watcher(process.pid, address, folder / "data")) as watcher:
                before, samples, after = asyncio.run(_soak(watcher, address, everybody, seconds, every, unexpected))
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            process.wait(60)
            _, alive = psutil.wait_procs(family, 5)
    return Report(samples, before, after, outcomes, unexpected, [each.pid for each in alive])


async def _soak(
    watcher: Watcher, address: str, clients: Sequence[Client], seconds: float, every: float, unexpected: list[str]
) -> tuple[Sample, list[Sample], Sample]:
    async with httpx2.AsyncClient(base_url=address, timeout=600, trust_env=False) as http:
        await clients[0].load(http)  # only then has the process that workers are forked from imported all
        await _unload_all(http)
        before = await asyncio.to_thread(watcher.take)
        await clients[0].load(http)
        samples = []
        end = time.monotonic() + seconds
        asking = asyncio.gather(*(client.ask_until(end, http) for client in clients))
        while not asking.done():
            samples.append(await asyncio.to_thread(watcher.take))
            if not samples[-1].healthy:
                unexpected.append(f"after {samples[-1].minute:.1f} minutes: not healthy")
            await asyncio.wait({asking}, timeout=every)
        await asking
        await _unload_all(http)
        return before, samples, await asyncio.to_thread(watcher.take)


async def _unload_all(http: httpx2.AsyncClient) -> None:
    answer = await http.get(f"{API}/models")
    for model in sorted({model["name"] for model in answer.raise_for_status().json()["loaded"]}):
        (await http.post(f"{API}/models/unload", json={"model": model})).raise_for_status()


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument(
        "--to", type=Path, default=Path(__file__).with_name("results"), help="folder for what comes out"
    )
    asked = parser.parse_args()
    print(machine(), flush=True)
    report = soak(60 * asked.minutes, clients=asked.clients)
    asked.to.mkdir(parents=True, exist_ok=True)
    report.draw(asked.to / "soak.png")
    (asked.to / "soak.json").write_text(json.dumps([asdict(each) for each in report.samples], indent=1) + "\n")
    told = f"{report.outcome_table()}\n\n{report.figure_table()}\n"
    (asked.to / "soak.md").write_text(told, encoding="utf-8")
    print(f"\n{told}")
    for each in report.unexpected:
        print(each, file=sys.stderr)
    if report.left:
        print(f"left behind: {report.left}", file=sys.stderr)
    return 0 if report.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
