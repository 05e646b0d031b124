"""The LanceDB table behind a search index: one row per picture, per moment of a film, and per unreadable file.

All that is known of a file lies in one table, so that a write is one atomic commit: readers see files as they were
or as they are, and a crash leaves nothing half-written.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium import settings
from sensorium.errors import InputError, MissingDependencyError
from sensorium.media.source import display_name
from sensorium.retrieval.rows import Encoder, FileRows, FileState, Hit

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

logger = logging.getLogger("sensorium.retrieval")

_NAME = "media"
_LAYOUT = "1"
_OBJECT_STORES = ("s3://", "s3+ddb://", "gs://", "az://", "abfss://")

# Below this many vectors exact search is quick enough; benchmarks/vector_search.py prints how quick.
INDEX_FROM = 20_000
# IVF_SQ, because its ranking is nearly right before the full vectors are looked at (IVF_RQ has to fetch hundreds of
# them, dear in an object store), and because it trains no codebook (IVF_PQ does, for minutes).
_ROWS_PER_PARTITION = 4096
_PROBES = 40
_REFINE = 4
_RETRAIN_GROWTH = 4
_MAX_FRAGMENTS = 100
# Readers hold a version only while they answer one query; an hour is far more than they need.
_KEEP_VERSIONS = timedelta(hours=1)


def is_remote(location: str) -> bool:
    """Return whether an index lies in an object store."""
    return location.startswith(_OBJECT_STORES)


def check_location(location: str | os.PathLike[str]) -> str:
    """Return where an index lies: an absolute folder or an object store address.

    Raises:
        InputError: It is empty, a file, or an address of another kind.
    """
    text = os.fspath(location)
    if is_remote(text):
        return text.rstrip("/")
    if re.match(r"[\w+]+://", text):
        raise InputError(
            f"An index can't lie at {display_name(text)}",
            f"Name a folder, or an address with {', '.join(_OBJECT_STORES)}",
        )
    if not text:
        raise InputError("The index has no name", "Name the folder that shall hold it")
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise InputError(f"{display_name(text)} is a file, not an index", "Name the folder that shall hold the index")
    return str(path)


class MediaTable:
    """The table of an index, open. Use `open_table` and `create_table`.

    Attributes:
        encoder: What made its vectors.
    """

    def __init__(self, table: Any, location: str) -> None:
        self._table = table
        self._location = location
        metadata = table.schema.metadata or {}
        if metadata.get(b"layout") != _LAYOUT.encode():
            raise InputError(
                f"The index {display_name(location)} was made by another version of Sensorium",
                "Build it again in an empty folder",
            )
        values = json.loads(metadata[b"encoder"])
        self.encoder = Encoder(**{**values, "probe": tuple(values["probe"])})

    def count(self) -> int:
        """Return how many files can be found."""
        with _plain_errors("read", self._location):
            return int(self._table.count_rows("number = 0 AND reason = ''"))

    def states(self, roots: Sequence[str]) -> dict[str, FileState]:
        """Return the files at or under ``roots``, by path."""
        found: dict[str, FileState] = {}
        where = _all("number = 0", _any([_at_or_under(root) for root in roots]))
        columns = ["path", "size", "modified_ns", "content", "every", "reason"]
        for batch in self._scan(where, columns):
            for path, *values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                found[path] = FileState(*values)
        return found

    def contents(self) -> set[tuple[str, float | None]]:
        """Return which contents can be found: digest, and seconds between moments."""
        found: set[tuple[str, float | None]] = set()
        for batch in self._scan("number = 0 AND reason = ''", ["content", "every"]):
            found.update(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        return found

    def moments(self) -> Iterator[tuple[str, str, int]]:
        """Yield path, kind and size of every row that can be found."""
        for batch in self._scan("reason = ''", ["path", "kind", "size"]):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def with_content(self, contents: Iterable[str]) -> dict[tuple[str, float | None], FileRows]:
        """Return the rows of one file for each content that can be found."""
        import numpy as np

        columns = ["path", "number", "time", "size", "modified_ns", "content", "every", "reason", "vector"]
        rows: dict[tuple[str, float | None], dict[str, list[tuple[Any, ...]]]] = {}
        for batch in self._scan(f"reason = '' AND content IN ({_list(contents)})", columns):
            vectors = list(_to_array(batch.column("vector"), self.encoder.dimension))
            values = [column.to_pylist() for column in batch.columns[:-1]]
            for path, number, time, *state, vector in zip(*values, vectors, strict=True):
                known = FileState(*state)
                rows.setdefault((known.content, known.every), {}).setdefault(path, []).append(
                    (number, time, known, vector)
                )
        found = {}
        for key, copies in rows.items():
            path, moments = next(iter(copies.items()))
            moments.sort(key=lambda row: row[0])
            state = moments[0][2]
            found[key] = FileRows(path, state, tuple(row[1] for row in moments), np.stack([row[3] for row in moments]))
        return found

    def write(self, files: Sequence[FileRows]) -> None:
        """Put files in, in place of what was known of them."""
        if not files:
            return
        with _plain_errors("written", self._location):
            # A film may have fewer moments than before. Its last ones go first: after a crash between the two steps,
            # the film still counts as changed and is read again.
            shrunk = [file for file in files if file.replaced is not None and file.replaced.every is not None]
            if shrunk:
                ends = [f"path = {_quote(file.path)} AND number >= {max(1, len(file.times))}" for file in shrunk]
                self._table.delete(_any(ends))
            merge = self._table.merge_insert(["path", "number"]).when_matched_update_all()
            merge.when_not_matched_insert_all().execute(self._to_arrow(files), on_bad_vectors="null")

    def remove(self, paths: Sequence[str]) -> None:
        """Drop files."""
        with _plain_errors("written", self._location):
            for start in range(0, len(paths), 1000):
                self._table.delete(f"path IN ({_list(paths[start : start + 1000])})")

    def nearest(
        self, vector: np.ndarray, limit: int, *, kind: str | None = None, under: str | None = None
    ) -> list[Hit]:
        """Return the rows nearest to a vector of length 1, best first."""
        with _plain_errors("read", self._location):
            query = self._table.search(vector, vector_column_name="vector").distance_type("cosine").limit(limit)
            where = _all(f"kind = {_quote(kind)}" if kind else None, _under(under))
            if where:
                query = query.where(where, prefilter=True)
            # The nearest partitions may not hold enough rows that pass a filter. More are looked at then, which has its
            # price (more than twice the time) even where it turns out not to be needed.
            query = query.nprobes(_PROBES)
            if where or limit > _ROWS_PER_PARTITION:
                query = query.maximum_nprobes(0)
            found = query.refine_factor(_REFINE).select(["path", "time", "_distance"]).to_arrow()
        return [
            Hit(path, time, 1.0 - distance)
            for path, time, distance in zip(*(found.column(i).to_pylist() for i in range(3)), strict=True)
        ]

    def maintain(self) -> None:
        """Compact, and build or extend the indexes, where that pays."""
        from lancedb.index import BTree, IvfSq

        with _plain_errors("written", self._location):
            rows = int(self._table.count_rows("reason = ''"))
            indexes = self._table.list_indices()
            # A vector index is called after the number of rows that it was trained on.
            old = [index.name for index in indexes if index.columns == ["vector"]]
            trained = max((int(name.rpartition("_")[2]) for name in old), default=0)
            unindexed = [self._table.index_stats(name).num_unindexed_rows for name in old]
            fragments = self._table.stats()["fragment_stats"]["num_fragments"]
            if fragments > _MAX_FRAGMENTS or max(unindexed, default=0) > INDEX_FROM:
                self._table.optimize(cleanup_older_than=_KEEP_VERSIONS)
            if rows >= max(INDEX_FROM, _RETRAIN_GROWTH * trained):
                if not trained:
                    self._table.create_index("path", config=BTree())
                config = IvfSq(distance_type="cosine", num_partitions=rows // _ROWS_PER_PARTITION)
                self._table.create_index("vector", config=config, name=f"vector_{rows}")
                for name in old:
                    self._table.drop_index(name)

    def _scan(self, where: str | None, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with _plain_errors("read", self._location):
            query = self._table.search().select(columns)
            yield from (query.where(where) if where else query).to_batches()

    def _to_arrow(self, files: Sequence[FileRows]) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        dimension = self.encoder.dimension
        columns: dict[str, list[Any]] = {name: [] for name in self._table.schema.names if name != "vector"}
        vectors: list[np.ndarray] = []
        for file in files:
            state = file.state
            unreadable = np.zeros((1, dimension), np.float32)
            for number, time in enumerate(file.times or (None,)):
                identity = (file.path, number, _kind(state), time)
                values = (*identity, state.size, state.modified_ns, state.content, state.every, state.reason)
                for column, value in zip(columns.values(), values, strict=True):
                    column.append(value)
            vectors.append(file.vectors if file.times else unreadable)
        flat = pa.array(np.concatenate(vectors).astype(np.float32, copy=False).ravel())
        mask = pa.array([bool(reason) for reason in columns["reason"]])
        rows = pa.FixedSizeListArray.from_arrays(flat, dimension, mask=mask)
        return pa.table([*columns.values(), rows], schema=self._table.schema)


def open_table(location: str) -> MediaTable | None:
    """Open the table of an index; None if there is none.

    Args:
        location: From `check_location`.

    Raises:
        MissingDependencyError: LanceDB isn't installed.
        InputError: It can't be read, or was made by another version.
    """
    # Without a manifest there was a crash before the table was complete; creating it again succeeds.
    if not is_remote(location) and not any((Path(location) / f"{_NAME}.lance" / "_versions").glob("*.manifest")):
        return None
    database = _connect(location)
    with _plain_errors("read", location):
        if _NAME not in database.list_tables().tables:
            return None
        table = database.open_table(_NAME)
    return MediaTable(table, location)


def create_table(location: str, encoder: Encoder) -> MediaTable:
    """Create the table of an index that has none.

    Raises:
        MissingDependencyError: LanceDB isn't installed.
        InputError: It can't be written there.
    """
    database = _connect(location)
    import pyarrow as pa

    schema = pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("number", pa.int32(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("time", pa.float64()),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("modified_ns", pa.int64(), nullable=False),
            pa.field("content", pa.string(), nullable=False),
            pa.field("every", pa.float64()),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), encoder.dimension)),
        ],
        metadata={"layout": _LAYOUT, "encoder": json.dumps(asdict(encoder))},
    )
    with _plain_errors("written", location):
        return MediaTable(database.create_table(_NAME, schema=schema), location)


def require_lancedb() -> Any:
    """Import LanceDB.

    Raises:
        MissingDependencyError: It isn't installed.
    """
    settings.quiet_lance()
    try:
        import lancedb
    except ImportError:
        raise MissingDependencyError(
            "Search needs the package lancedb, which is not installed", "Run: pip install 'sensorium[search]'"
        ) from None
    return lancedb


def _connect(location: str) -> Any:
    lancedb = require_lancedb()
    with _plain_errors("opened", location):
        return lancedb.connect(location, read_consistency_interval=timedelta(0))


@contextmanager
def _plain_errors(done: str, location: str) -> Iterator[None]:
    """LanceDB's messages are long and speak of its inside; they go to the log."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        logger.info("LanceDB at %s: %s", location, error)
        raise InputError(
            f"The index {display_name(location)} can't be {done}",
            "Check that it is there, free space and permissions; the log (sensorium.retrieval, level INFO) has details",
        ) from None


def _kind(state: FileState) -> str:
    return "image" if state.every is None else "moment"


def _to_array(column: pa.Array, dimension: int) -> np.ndarray:
    import numpy as np

    # A null row keeps its place in the values below it, whatever they are.
    values: np.ndarray = column.values.to_numpy(zero_copy_only=False)
    return values[column.offset * dimension :][: len(column) * dimension].reshape(-1, dimension).astype(np.float32)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _list(texts: Iterable[str]) -> str:
    return ", ".join(map(_quote, texts))


def _all(*conditions: str | None) -> str | None:
    return " AND ".join(f"({condition})" for condition in conditions if condition) or None


def _any(conditions: Sequence[str]) -> str:
    return " OR ".join(f"({condition})" for condition in conditions)


def _at_or_under(root: str) -> str:
    return f"path = {_quote(root)} OR ({_under(root)})"


def _under(folder: str | None) -> str | None:
    if folder is None:
        return None
    # All paths in a folder lie between "folder/" and the same with the character that comes after the slash.
    first = folder.rstrip(os.sep) + os.sep
    after = first[:-1] + chr(ord(os.sep) + 1)
    return f"path >= {_quote(first)} AND path < {_quote(after)}"
