"""What does an item of a batch cost the processes of which there is one, however many machines work?

The command that was called names the items, hears of each outcome, notes it, and makes the manifest at the end; an
actor beside it, the post, takes the outcomes of all others in. First the noting alone, of outcomes that are there
already, as long as a caption's. Then items that cost next to nothing go through Ray, to one actor: what the command and
the post take for each is counted from the first outcome to the last.

    python -m benchmarks.manifest_rates [--items 20000] [--through-ray 3000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import string
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.__main__ import table as as_table
from benchmarks.measure import machine, row
from sensorium.batch.item import BatchItem, ItemOutcome, folder_name, item_id
from sensorium.batch.item_worker import BatchWork
from sensorium.batch.journal import Journal
from sensorium.batch.manifest import Manifest
from sensorium.cluster.batch.places import Actors
from sensorium.cluster.batch.runner import RayBatchRunner
from sensorium.storage.opening import location_of

RESULT_CHARACTERS = 570
PROMPT = "build-prompt"
_WORDS = [f"{first}{last}" for first in ("a", "be", "con", "dis", "en") for last in string.ascii_lowercase]


@dataclass(frozen=True)
class Noted:
    """What was measured.

    Attributes:
        items: How many.
        note_core_seconds: To name an item, take its outcome and note it.
        manifest_core_seconds: To bring it into the manifest at the end.
        bytes: Of its row in the manifest (Parquet).
        ray_items: How many went through Ray.
        ray_command_core_seconds: Of the command, for one of these, without noting it.
        ray_post_core_seconds: Of the post, for one of these.
    """

    items: int
    note_core_seconds: float
    manifest_core_seconds: float
    bytes: float
    ray_items: int
    ray_command_core_seconds: float
    ray_post_core_seconds: float

    @property
    def core_seconds(self) -> float:
        """Of the process that has most to do for an item, and then of the manifest."""
        return (
            max(self.note_core_seconds + self.ray_command_core_seconds, self.ray_post_core_seconds)
            + self.manifest_core_seconds
        )


def measure(count: int, through_ray: int) -> Noted:
    """Note so many outcomes and make a manifest of them; send so many items through Ray."""
    documents = [_outcome(number).to_dict() for number in range(count)]
    with tempfile.TemporaryDirectory() as place:
        manifest = Manifest(location_of(place))
        journal = Journal(manifest.journal)
        begun = time.process_time()
        for number, document in enumerate(documents):
            _item(number)
            journal.add(ItemOutcome.from_dict(document))
        journal.close()
        noted = time.process_time()
        manifest.compact()
        done = time.process_time()
        size = (Path(place) / "manifest.parquet").stat().st_size
    return Noted(
        count, (noted - begun) / count, (done - noted) / count, size / count, through_ray, *_through_ray(through_ray)
    )


def _through_ray(count: int) -> tuple[float, float]:
    """Return core-seconds of the command and of the post, for an item."""
    items = [_prompt(number) for number in range(count)]
    with tempfile.TemporaryDirectory() as place:
        begun: tuple[float, float] | None = None
        ended = 0.0, 0.0
        outcomes = RayBatchRunner(Actors(1, 1)).run(iter(items), BatchWork(PROMPT, place), threading.Event())
        for heard, outcome in enumerate(outcomes, 1):
            if outcome.error:
                raise RuntimeError(outcome.error)
            if begun is None:
                begun = time.process_time(), _post_seconds()
            if heard == count:
                ended = time.process_time(), _post_seconds()
    assert begun is not None
    return (ended[0] - begun[0]) / count, (ended[1] - begun[1]) / count


def _post_seconds() -> float:
    """Return what the post of this process's Ray has taken of the processors so far."""
    found = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::Post"):
                found += sum(process.cpu_times()[:2])
    return found


def _prompt(number: int) -> BatchItem:
    fields = {"subject": f"a cat, number {number}"}
    id = item_id(PROMPT, fields, {})
    return BatchItem(id, str(number), folder_name(str(number), id), fields)


def _item(number: int) -> BatchItem:
    name = f"s3://photos/2025/{number:08d}.jpg"
    fields = {"image": name}
    id = item_id("caption", fields, {name: f"{number}"})
    return BatchItem(id, name, folder_name(name, id), fields)


def _outcome(number: int) -> ItemOutcome:
    item = _item(number)
    words = " ".join(random.Random(number).choices(_WORDS, k=RESULT_CHARACTERS))
    result = json.dumps({"text": words[: RESULT_CHARACTERS - 40], "model": "socratic-image-qa"})
    when = "2026-01-01T00:00:00.000+00:00"
    return ItemOutcome(item.id, item.input, result, (), "socratic-image-qa", None, when, 0.1)


def rows(found: Noted) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    return [
        row(
            f"a batch of {found.items:,} items, for the command itself",
            f"{1e6 * found.note_core_seconds:.0f} µs of a core to note an item, "
            f"{1e6 * found.manifest_core_seconds:.0f} for the manifest",
            note=f"{found.bytes:,.0f} bytes a row; through Ray {1e6 * found.ray_command_core_seconds:,.0f} µs more, "
            f"and {1e6 * found.ray_post_core_seconds:,.0f} of the post",
        )
    ]


def run(items: int = 20_000, through_ray: int = 3_000) -> list[dict[str, Any]]:
    """Measure."""
    return rows(measure(items, through_ray))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manifest_rates", description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--through-ray", type=int, default=3_000, metavar="ITEMS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    about, found = machine(), measure(options.items, options.through_ray)
    print(about)
    print(as_table(rows(found)))
    if options.json is not None:
        document = {"machine": about, "date": time.strftime("%Y-%m-%d"), "noted": asdict(found)}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
