"""How quick and how right is search in thousands and in a million vectors, beside exact search with numpy?

The vectors are synthetic: a mixture of clusters with uneven sizes in a space whose directions matter unequally, as
in real embeddings. Queries are fresh draws from the same mixture ("like pictures") and draws that are moved away
from all pictures by a common offset ("like texts": the gap between texts and pictures that CLIP models have).
All is seeded, made once, and kept in the cache folder.

    python -m benchmarks.vector_search [--count 1000000]
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lance
import numpy as np

from benchmarks.__main__ import table as as_table
from benchmarks.measure import cache_folder, quantile, row, seconds
from sensorium.retrieval import snapshot
from sensorium.retrieval.rows import Encoder, FileRows, FileState
from sensorium.retrieval.table import MediaTable, create_table, open_table

DIMENSION = 384
SMALL = 20_000
CHUNK = 20_000
QUERIES = 200
LIMIT = 10


class Mixture:
    """Where the synthetic vectors come from."""

    def __init__(self, groups: int = 60, topics: int = 4000, dimension: int = DIMENSION) -> None:
        random = np.random.default_rng(0)
        weight = np.arange(1, dimension + 1, dtype=np.float32) ** -0.5
        self.dimension = dimension
        self.weight = weight / np.linalg.norm(weight)
        self.rotation = np.linalg.qr(random.standard_normal((dimension, dimension)))[0].astype(np.float32)
        centres = random.standard_normal((groups, dimension), dtype=np.float32) * self.weight
        own = random.standard_normal((topics, dimension), dtype=np.float32) * self.weight
        self.topics = 0.7 * centres[random.integers(groups, size=topics)] + 0.7 * own
        size = np.arange(1, topics + 1) ** -0.7
        self.share = size / size.sum()
        self.offset = random.standard_normal(dimension, dtype=np.float32) * dimension**-0.5

    def draw(self, count: int, seed: int, *, like_texts: bool = False) -> np.ndarray:
        """Return float32 ``[count, dimension]``, rows of length 1."""
        random = np.random.default_rng([1, seed])
        rows = self.topics[random.choice(len(self.topics), size=count, p=self.share)]
        rows = rows + 0.6 * random.standard_normal((count, self.dimension), dtype=np.float32) * self.weight
        rows = rows @ self.rotation
        if like_texts:
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            rows = 0.4 * rows + 0.8 * self.offset / np.linalg.norm(self.offset)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def file_rows(first: int, vectors: np.ndarray) -> Iterator[FileRows]:
    """Yield one picture for each vector, a thousand to a folder."""
    for number, vector in enumerate(vectors, first):
        state = FileState(1, 1, f"{number:032x}", None, "")
        yield FileRows(f"/photos/{number // 1000:04d}/{number:07d}.jpg", state, (None,), vector[None])


def build(folder: Path, count: int) -> tuple[MediaTable, np.ndarray]:
    """Return the table and its vectors, made at the first call, then kept."""
    vectors_file, complete, location = folder / "vectors.npy", folder / "complete", folder / "index"
    if not complete.exists():
        shutil.rmtree(location, ignore_errors=True)
        mixture = Mixture()
        table = create_table(str(location), Encoder("synthetic", "synthetic", "", DIMENSION, ()))
        stored = np.lib.format.open_memmap(vectors_file, "w+", np.float32, (count, DIMENSION))
        for first in range(0, count, CHUNK):
            size = min(CHUNK, count - first)
            stored[first : first + size] = mixture.draw(size, first)
            table.write(list(file_rows(first, stored[first : first + size])))
        stored.flush()
        complete.touch()
    opened = open_table(str(location))
    assert opened is not None
    return opened, np.load(vectors_file)


def exact(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return the numbers of the ten nearest rows, as one would write it with numpy."""
    scores = vectors @ query
    best = np.argpartition(-scores, LIMIT)[:LIMIT]
    return best[np.argsort(-scores[best])]


def nearest(table: MediaTable, query: np.ndarray) -> list[int]:
    """Return the numbers of the ten nearest rows, by the very call that `SearchIndex.search` makes."""
    return [int(Path(hit.path).stem) for hit in table.nearest(query, LIMIT)]


def compare(table: MediaTable, vectors: np.ndarray, queries: np.ndarray) -> tuple[list[float], list[float], float]:
    """Return our times and numpy's, in seconds, and the recall@10."""
    ours, peers, right = [], [], 0
    for query in queries:
        start = time.perf_counter()
        found = nearest(table, query)
        middle = time.perf_counter()
        best = exact(vectors, query)
        ours.append(middle - start)
        peers.append(time.perf_counter() - middle)
        right += len(set(found) & set(best.tolist()))
    return ours, peers, right / (LIMIT * len(queries))


def times(values: list[float]) -> str:
    """Return median and 95th percentile in words."""
    return f"{quantile(values, 0.5) * 1e3:.1f} ms (p95 {quantile(values, 0.95) * 1e3:.1f} ms)"


def build_index(table: MediaTable, location: Path) -> float:
    """Drop the vector index, if there is one, and return the seconds that it takes to build."""
    stored = lance.dataset(str(location / "media.lance"))
    for index in stored.describe_indices():
        if index.field_names == ["vector"]:
            stored.drop_index(index.name)
    return seconds(table.maintain)


@contextmanager
def at_most_in_memory(vectors: int) -> Iterator[None]:
    """Change how many vectors are searched in memory."""
    stated = snapshot.SNAPSHOT_BYTES
    snapshot.SNAPSHOT_BYTES = 4 * DIMENSION * vectors
    try:
        yield
    finally:
        snapshot.SNAPSHOT_BYTES = stated


def search_row(question: str, table: MediaTable, vectors: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """Search, and return what it took beside numpy."""
    ours, peers, recall = compare(table, vectors, queries)
    ratio = quantile(peers, 0.5) / quantile(ours, 0.5)
    return row(question, times(ours), f"numpy, all in memory: {times(peers)}", ratio, f"recall@10 {recall:.3f}")


def in_memory(queries: np.ndarray) -> Iterator[dict[str, Any]]:
    """Measure search in indexes that fit into memory, beside what Lance does with the same ones."""
    table, vectors = build(cache_folder(f"vector-search-{SMALL}"), SMALL)
    nearest(table, queries[0])
    yield search_row(f"search in {SMALL:,} vectors, in memory", table, vectors, queries)
    with at_most_in_memory(0):
        yield search_row(f"search in {SMALL:,} vectors, read from the disk by Lance", table, vectors, queries)

    largest = snapshot.most_rows(DIMENSION)
    table, vectors = build(cache_folder(f"vector-search-{largest}"), largest)
    reading = seconds(lambda: nearest(table, queries[0]))
    yield row(
        f"first search in {largest:,} vectors", f"{reading * 1e3:.0f} ms", note="reads all of them; warm disk cache"
    )
    yield search_row(f"search in {largest:,} vectors, the most that are kept in memory", table, vectors, queries)
    with at_most_in_memory(0):
        build_index(table, cache_folder(f"vector-search-{largest}") / "index")
        yield search_row(f"search in {largest:,} vectors with Lance's vector index", table, vectors, queries)


def with_vector_index(count: int, mixture: Mixture, queries: np.ndarray) -> Iterator[dict[str, Any]]:
    """Measure search in an index that is too large for memory."""
    table, vectors = build(cache_folder(f"vector-search-{count}"), count)
    location = cache_folder(f"vector-search-{count}") / "index"
    built = build_index(table, location)
    yield row(f"building the vector index of {count:,} vectors", f"{built:.0f} s", note="IVF_SQ, once")

    def first_query() -> None:
        opened = open_table(str(location))
        assert opened is not None
        nearest(opened, queries[0])

    first = seconds(first_query)
    yield row(f"opening {count:,} vectors and the first query", f"{first * 1e3:.0f} ms", note="warm disk cache")
    for name, asked in (("pictures", queries), ("texts", mixture.draw(QUERIES, 10**9 + 1, like_texts=True))):
        yield search_row(f"search in {count:,} vectors, queries like {name}", table, vectors, asked)


def run(count: int = 1_000_000) -> list[dict[str, Any]]:
    """Measure."""
    mixture = Mixture()
    queries = mixture.draw(QUERIES, 10**9)
    return [*in_memory(queries), *(with_vector_index(count, mixture, queries) if count else ())]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vector_search")
    parser.add_argument("--count", type=int, default=1_000_000, help="vectors of the large index; 0 for none")
    print(as_table(run(parser.parse_args().count)))
