"""What does a vector cost in a search index: to write, to keep, to put into the vector index?

Synthetic vectors of the starter's length (``vector_search.py``), written as `SearchIndex` writes them. The vector
index is built for two sizes, because its cost for a vector grows with the number of partitions, which grows with the
vectors.

    python -m benchmarks.index_rates [--count 65536 262144] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.__main__ import table as as_table
from benchmarks.measure import machine, row
from benchmarks.vector_search import CHUNK, DIMENSION, Mixture, file_rows
from sensorium.retrieval.rows import Encoder
from sensorium.retrieval.table import create_table

COUNTS = (65_536, 262_144)


@dataclass(frozen=True)
class Built:
    """What was measured.

    Attributes:
        vectors: How many.
        write_core_seconds: To write one.
        build_core_seconds: To put one into the vector index, compacting included.
        bytes_written: For one, before the vector index.
        bytes_of_index: For one, of the vector index and of others.
        files: Of the whole dataset, after building.
        fragments: Before compacting: one for each write.
    """

    vectors: int
    write_core_seconds: float
    build_core_seconds: float
    bytes_written: float
    bytes_of_index: float
    files: int
    fragments: int


def measure(count: int) -> Built:
    """Write so many vectors and build their index."""
    mixture, writing, fragments = Mixture(), 0.0, 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"
        table = create_table(str(folder), Encoder("synthetic", "synthetic", "", DIMENSION, ()))
        for first in range(0, count, CHUNK):
            found = list(file_rows(first, mixture.draw(min(CHUNK, count - first), first)))
            begun = time.process_time()
            table.write(found)
            writing += time.process_time() - begun
            fragments += 1
        written = _size(folder)
        begun = time.process_time()
        table.maintain()
        building = time.process_time() - begun
        files = sum(path.is_file() for path in folder.rglob("*"))
        of_index = _size(folder / "media.lance" / "_indices")
    return Built(count, writing / count, building / count, written / count, of_index / count, files, fragments)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rows(measured: Sequence[Built]) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    return [
        row(
            f"{built.vectors:,} vectors of {DIMENSION} numbers",
            f"{1e6 * built.write_core_seconds:.0f} µs of a core each to write, "
            f"{1e6 * built.build_core_seconds:.0f} to index",
            note=f"{built.bytes_written:,.0f} bytes each, {built.bytes_of_index:,.0f} more in indexes; "
            f"{built.files} files, {built.fragments} writes",
        )
        for built in measured
    ]


def run() -> list[dict[str, Any]]:
    """Measure."""
    return rows([measure(count) for count in COUNTS])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index_rates", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, nargs="+", default=list(COUNTS), help="how many vectors, several sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    about, measured = machine(), [measure(count) for count in options.count]
    print(about)
    print(as_table(rows(measured)))
    if options.json is not None:
        document = {"machine": about, "date": time.strftime("%Y-%m-%d"), "built": [asdict(built) for built in measured]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
