"""Loses a node in the middle of a batch: two Ray nodes on this machine, mixed media, broken ones among them.

Pictures and films are moderated, then films and recordings transcribed; each time the second node is killed when a
quarter is done. Then the same again, which must do no work, and again when the folder has grown. What was begun is
written down by the actors, what was kept is read from the files; nothing may be lost, and nothing kept be done again.

    python -m maintenance.lost_node [--items 600]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from sensorium.batch.item import ItemOutcome
from sensorium.batch.journal import read_journal
from sensorium.batch.manifest import Manifest
from sensorium.storage.opening import location_of
from tests.cluster.counted import COUNTS, begun
from tests.cluster.mixed_media import MixedMedia
from tests.processes import running

OPERATIONS = ("moderate", "transcribe")
GROWTH = 20


@contextmanager
def two_nodes() -> Iterator[tuple[str, psutil.Process]]:
    """Run a cluster; give its address and the process of the second node."""
    with (
        tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder,
        running(
            [sys.executable, "-m", "tests.cluster.two_nodes", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as cluster,
    ):
        assert cluster.stdout is not None
        address, raylet = cluster.stdout.readline().split()
        yield address, psutil.Process(int(raylet))


def lose_a_node(operation: str, media: MixedMedia, output: Path, counts: Path) -> bool:
    """Run a batch three times; print what came of it, and return whether all is as it must be."""
    with two_nodes() as (address, raylet):
        command = [
            *(sys.executable, "-m", "tests.cluster.counted", "batch", operation, media.folder, "--output", output),
            *("--address", address, "--actors", "2", "--quiet"),
        ]
        begin, start = time.monotonic(), len(begun(counts))
        with running(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as job:
            _wait_until(len(media.names) // 4, output, job)
            for process in [raylet, *raylet.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            kept, mark = {_name(outcome) for outcome in _journal(output)}, len(begun(counts))
            assert job.stdout is not None
            said = job.stdout.read().strip()
        seconds = time.monotonic() - begin
        rows = _rows(output)
        again = Counter(begun(counts)[start:])
        twice = kept & set(begun(counts)[mark:])
        print(f"{operation}: {said}")
        print(
            f"  {len(rows)} rows in {seconds:.0f} s, {len({row.id for row in rows})} different items, "
            f"{sum(bool(row.result) for row in rows)} results + {sum(bool(row.error) for row in rows)} errors "
            f"(broken files: {len(media.failing)})"
        )
        print(
            f"  a node was killed when {len(kept)} were kept; {len(twice)} of those were begun again; "
            f"{sum(again.values())} items were begun for {len(again)} different ones"
        )
        before = len(begun(counts))
        subprocess.run(command, capture_output=True, check=False)
        idle = len(begun(counts)) - before
        print(f"  a second run began {idle} items; {len(_rows(output))} rows")
        media.make(GROWTH)
        subprocess.run(command, capture_output=True, check=False)
        new = begun(counts)[before:]
        grown = _rows(output)
        print(f"  with {GROWTH} files more, it began {len(new)} items; {len(grown)} rows")
    whole = len(again) == len(rows) == len({row.id for row in rows}) and len(grown) == len(rows) + len(set(new))
    return whole and not twice and not idle


def _wait_until(count: int, output: Path, job: subprocess.Popen[str]) -> None:
    while sum(1 for _ in _journal(output)) < count:
        if job.poll() is not None:
            raise RuntimeError("the batch ended before the node was killed")
        time.sleep(0.1)


def _journal(output: Path) -> Iterator[ItemOutcome]:
    for file in (output / ".batch" / "journal").glob("*.jsonl"):
        yield from read_journal(location_of(file))


def _rows(output: Path) -> list[ItemOutcome]:
    return list(Manifest(location_of(output)).outcomes())


def _name(outcome: ItemOutcome) -> str:
    return Path(outcome.input).name


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m maintenance.lost_node")
    parser.add_argument("--items", type=int, default=600, help="Files, of all kinds.")
    parser.add_argument("--operation", choices=OPERATIONS, action="append", help="By default all.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.txt"
        root = str(Path(__file__).parents[1])
        os.environ |= {
            COUNTS: str(counts),
            "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), root])),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nodes and drivers meet on loopback
        }
        media = MixedMedia(Path(folder) / "media")
        media.make(options.items)
        print(
            f"{options.items} files: {len(media.names)} pictures and films, {len(media.failing)} of them broken, "
            f"{len(media.recordings)} recordings"
        )
        good = [
            lose_a_node(operation, media, Path(folder) / operation, counts)
            for operation in options.operation or OPERATIONS
        ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
