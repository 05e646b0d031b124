"""What does an index of millions of vectors cost to build the way a cluster builds it, and how does a laptop search it?

Synthetic vectors, drawn as in `benchmarks.vector_search` and as long as the starter's, go through the code by which
several processes build an index: portions of rows are written as fragments that nobody sees, put in with few commits,
compacted, and indexed. Only the encoder is missing. Then the index is opened as by `sensorium search`. Exact answers
are kept while the vectors are drawn, so that no vector is needed a second time.

    python -m benchmarks.large_index [--count 1000000] [--to FOLDER|s3://bucket/index]
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.__main__ import table as as_table
from benchmarks.measure import cache_folder, quantile, row, seconds
from benchmarks.vector_search import Mixture, file_rows
from sensorium.retrieval.location import check_location, is_remote
from sensorium.retrieval.rows import Encoder
from sensorium.retrieval.table import MediaTable, create_table, open_table

DIMENSION = 400
CHUNK = 20_480
PORTION = 1024
FRAGMENTS_PER_COMMIT = 128
QUERIES = 100
LIMIT = 10
EXTRAPOLATED = 10_000_000


@dataclass
class ExactAnswers:
    """The nearest rows of each query among all that were shown so far."""

    queries: np.ndarray
    scores: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, queries: np.ndarray) -> ExactAnswers:
        """Return answers to queries when nothing was shown."""
        shape = (len(queries), LIMIT)
        return cls(queries, np.full(shape, -np.inf, np.float32), np.full(shape, -1))

    def show(self, first: int, vectors: np.ndarray) -> None:
        """Take more rows into account, numbered from ``first`` on."""
        scores = np.concatenate([self.scores, self.queries @ vectors.T], axis=1)
        fresh = np.broadcast_to(np.arange(first, first + len(vectors)), (len(self.queries), len(vectors)))
        numbers = np.concatenate([self.numbers, fresh], axis=1)
        best = np.argpartition(-scores, LIMIT, axis=1)[:, :LIMIT]
        self.scores, self.numbers = (np.take_along_axis(each, best, axis=1) for each in (scores, numbers))


@dataclass(frozen=True)
class Step:
    """What a step took: seconds, and the most memory that this process held meanwhile, in bytes."""

    seconds: float
    memory: int

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s"


def measured(work: Callable[[], Any]) -> Step:
    """Return what some work takes."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of what was before
    took = seconds(work)
    status = Path("/proc/self/status").read_text()
    return Step(took, int(status.partition("VmHWM:")[2].split()[0]) << 10)


def write(table: MediaTable, count: int, mixture: Mixture, answers: ExactAnswers) -> Iterator[float]:
    """Write and commit all rows; yield how long each part takes, drawing the vectors left out."""
    pending: list[str] = []
    for first in range(0, count, CHUNK):
        vectors = mixture.draw(min(CHUNK, count - first), first)
        answers.show(first, vectors)
        start = time.perf_counter()
        for offset in range(0, len(vectors), PORTION):
            rows = list(file_rows(first + offset, vectors[offset : offset + PORTION]))
            pending += table.write_fragments(rows)
        if len(pending) >= FRAGMENTS_PER_COMMIT or first + CHUNK >= count:
            table.append(pending)
            pending.clear()
        yield time.perf_counter() - start


def sizes(location: str) -> dict[str, int]:
    """Return how many bytes lie in each folder of the table: the rows in ``data``, the indexes in ``_indices``."""
    found: dict[str, int] = {}
    for name, size in files(location):
        folder = name.partition("/")[0]
        found[folder] = found.get(folder, 0) + size
    return found


def files(location: str) -> Iterator[tuple[str, int]]:
    """Yield the names of the table's files and their sizes."""
    from sensorium.storage.opening import location_of

    root = location_of(location).join("media.lance")
    for each in root.files():
        yield each.location.address.removeprefix(f"{root.address}/"), each.size


def forget_cached(location: str) -> None:
    """Let the system drop what it has read of local files, so that the next read comes from the disk."""
    os.sync()
    for path in Path(location).rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def search(location: str, answers: ExactAnswers) -> Iterator[dict[str, Any]]:
    """Search as a laptop does."""
    if not is_remote(location):
        forget_cached(location)

    def first() -> None:
        opened = open_table(location)
        assert opened is not None
        opened.nearest(answers.queries[0], LIMIT)

    opening = measured(first)
    yield row("opening and the first query, nothing cached", f"{opening.seconds * 1e3:.0f} ms")
    table = open_table(location)
    assert table is not None
    for name in ("queries, each for the first time", "the same queries again"):
        times: list[float] = []
        found: list[set[int]] = []
        step = measured(partial(ask, table, answers.queries, times, found))
        right = sum(len(each & set(exact)) for each, exact in zip(found, answers.numbers.tolist(), strict=True))
        yield row(
            name,
            f"{quantile(times, 0.5) * 1e3:.1f} ms (p95 {quantile(times, 0.95) * 1e3:.1f} ms)",
            note=f"recall@10 {right / answers.numbers.size:.3f} against exact search; "
            f"{step.memory / 1e9:.2f} GB of memory",
        )


def ask(table: MediaTable, queries: np.ndarray, times: list[float], found: list[set[int]]) -> None:
    """Search by the very call that `SearchIndex.search` makes; note how long each query takes, and what it finds."""
    for query in queries:
        start = time.perf_counter()
        hits = table.nearest(query, LIMIT)
        times.append(time.perf_counter() - start)
        found.append({int(Path(hit.path).stem) for hit in hits})


def run(count: int = 1_000_000, to: str = "") -> list[dict[str, Any]]:
    """Measure."""
    location = check_location(to or cache_folder(f"large-index-{count}"))
    if not is_remote(location):
        shutil.rmtree(Path(location) / "media.lance", ignore_errors=True)
    mixture = Mixture(dimension=DIMENSION)
    answers = ExactAnswers.of(mixture.draw(QUERIES, 10**9))
    table = create_table(location, Encoder("synthetic", "synthetic", "", DIMENSION, ()))
    parts: list[float] = []
    writing = measured(lambda: parts.extend(write(table, count, mixture, answers)))
    written = sizes(location)["data"]
    finishing = measured(table.maintain)
    after = sizes(location)
    millions = count / 1e6
    times = EXTRAPOLATED / count

    def cost(question: str, took: float, step: Step, growth: str, note: str) -> dict[str, Any]:
        whole = f"× {times:g} = {took * times / 60:.0f} min for ten million{growth}"
        return row(
            question,
            f"{took / millions:.0f} s a million",
            note=f"{took:.0f} s {whole}; at most {step.memory / 1e9:.2f} GB of memory; {note}",
        )

    # Each vector is compared with the centre of every partition, and there are as many more of them as of vectors.
    square = f", and × {times:g}² = {finishing.seconds * times**2 / 60:.0f} min if comparing with the centres was all"

    size = sum(after.values())
    return [
        cost(
            f"fragments and commits of {count:,} vectors",
            sum(parts),
            writing,
            "",
            f"{written / millions / 1e9:.2f} GB a million",
        ),
        cost("compaction and vector index", finishing.seconds, finishing, square, "once, in one process"),
        row(
            "size, old versions among it",
            f"{size / 1e9:.2f} GB",
            note=f"{after['data'] / 1e9:.2f} GB rows, {after.get('_indices', 0) / 1e9:.2f} GB indexes; "
            f"× {times:g} = {size * times / 1e9:.0f} GB for ten million",
        ),
        *search(location, answers),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_index")
    parser.add_argument("--count", type=int, default=1_000_000, help="vectors")
    parser.add_argument("--to", default="", help="folder or address of the index, which is replaced")
    chosen = parser.parse_args()
    print(as_table(run(chosen.count, chosen.to)))
