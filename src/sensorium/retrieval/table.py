"""The Lance table behind a search index: one row per picture, per moment of a film, and per unreadable file.

All that is known of a file lies in one table, so that a write is one atomic commit: readers see files as they were
or as they are, and a crash leaves nothing half-written.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError
from sensorium.media.source import display_name
from sensorium.retrieval import conditions
from sensorium.retrieval.columns import ADDED_LATER, STATE_COLUMNS, schema_of, to_arrow
from sensorium.retrieval.lance_storage import load_lance, plain_errors, storage_options
from sensorium.retrieval.location import is_remote
from sensorium.retrieval.rows import Content, Encoder, FileRows, FileState, Hit, Written
from sensorium.retrieval.snapshot import Snapshot, most_rows
from sensorium.retrieval.stored_paths import restored

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_FOLDER = "media.lance"
_LAYOUT = "1"

# IVF_SQ, because its ranking is nearly right before the full vectors are looked at (IVF_RQ has to fetch hundreds of
# them, dear in an object store), and because it trains no codebook (IVF_PQ does, for minutes).
_VECTOR_INDEX = "IVF_SQ"
_ROWS_PER_PARTITION = 4096
# Lance would take 256 for each partition: in a million vectors that costs half as much time again, and finds no more.
_SAMPLES_PER_PARTITION = 64
_PROBES = 40
_REFINE = 4
_RETRAIN_GROWTH = 4
_MAX_UNINDEXED = 20_000
_MAX_FRAGMENTS = 100
_MAX_REMOTE_FRAGMENTS = 20
"""In an object store, where a search sends a request or more for each."""
_MOST_NAMED = 1000
"""How many paths or contents one condition names."""
# Readers hold a version only while they answer one query; an hour is far more than they need.
_KEEP_VERSIONS = timedelta(hours=1)

_COPIED = ("size", "modified_ns", "content", "every", "reason", "warnings", "kind", "reader")
"""What a file that has the same content takes over from another."""

_FINDABLE = "reason = '' AND vector IS NOT NULL"


class MediaTable:
    """The table of an index. Use `open_table` and `create_table`.

    Each call sees the newest version, whoever wrote it. Threads may share the object.

    Attributes:
        encoder: What made its vectors.
    """

    def __init__(self, location: str, name: str) -> None:
        self._location = location
        self._name = name
        self._session = load_lance().Session()
        self._guard = threading.Lock()
        self._snapshot: Snapshot | None = None
        with plain_errors("read", name, location):
            self._metadata = self._open().schema.metadata or {}
        if self._metadata.get(b"layout") != _LAYOUT.encode():
            raise InputError(
                f"The index {name} was made by another version of Sensorium",
                "Build it again in an empty folder",
            )
        values = json.loads(self._metadata[b"encoder"])
        listed = {name: tuple(values[name]) for name in ("probe", "kinds") if name in values}
        self.encoder = Encoder(**{**values, **listed})

    def count(self) -> int:
        """Return how many files can be found."""
        with plain_errors("read", self._name, self._location):
            return int(self._newest().count_rows("number = 0 AND reason = ''"))

    def states(self, roots: Sequence[str]) -> dict[str, FileState]:
        """Return the files at or under ``roots``, by path."""
        found: dict[str, FileState] = {}
        where = conditions.every("number = 0", conditions.some([conditions.at_or_under(root) for root in roots]))
        columns = [name for name in STATE_COLUMNS if name in self._newest().schema.names]
        for path, *values in self._values(where, ["path", *columns]):
            state = dict(zip(columns, values, strict=True))
            found[restored(path)] = FileState(**{**state, "mount": restored(state.get("mount", ""))})
        return found

    def knows_below(self, folder: str) -> bool:
        """Return whether any file lies below a folder."""
        with plain_errors("read", self._name, self._location):
            return bool(self._newest().count_rows(conditions.under(folder)))

    def paths(self) -> list[str]:
        """Return the paths of all files, of those that can't be read too."""
        return [restored(path) for (path,) in self._values("number = 0", ["path"])]

    def mounts(self, paths: Sequence[str]) -> dict[str, str]:
        """Return where the drives were mounted that held files, by the files' paths; "" where that wasn't noted."""
        if "mount" not in self._newest().schema.names:
            return dict.fromkeys(paths, "")
        found = {}
        for some in _portions(paths):
            where = conditions.every("number = 0", conditions.among(some))
            found.update({restored(path): restored(mount) for path, mount in self._values(where, ["path", "mount"])})
        return found

    def holders(self, contents: Sequence[str]) -> dict[str, list[str]]:
        """Return the paths of the files with each content, of those that can't be read too, by digest."""
        found: dict[str, list[str]] = {}
        for some in _portions(contents):
            where = conditions.every("number = 0", f"content IN ({conditions.listed(some)})")
            for path, content in self._values(where, ["path", "content"]):
                found.setdefault(content, []).append(restored(path))
        return found

    def contents(self) -> set[Content]:
        """Return which contents can be found."""
        columns = [name for name in ("content", "every", "reader") if name in self._newest().schema.names]
        found = self._values("number = 0 AND reason = ''", columns)
        return {(content, every, "".join(reader)) for content, every, *reader in found}

    def is_read(self) -> bool:
        """Return whether it knows what is written in some of its files."""
        with plain_errors("read", self._name, self._location):
            table = self._newest()
            return "reader" in table.schema.names and bool(table.count_rows("reader != ''"))

    def digests(self) -> np.ndarray:
        """Return the first 64 bits of the contents that can be found, in ascending order: uint64 ``[n]``."""
        import numpy as np

        parts = [
            np.array([int(digest[:16], 16) for digest in batch.column("content").to_pylist()], np.uint64)
            for batch in self._scan("number = 0 AND reason = '' AND content != ''", ["content"])
        ]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)

    def moments(self) -> Iterator[tuple[str, FileState]]:
        """Yield path and file of every row that can be found."""
        columns = [name for name in STATE_COLUMNS if name in self._newest().schema.names]
        for path, *values in self._values("reason = ''", ["path", *columns]):
            yield restored(path), FileState(**dict(zip(columns, values, strict=True)))

    def with_content(self, contents: Iterable[str]) -> dict[Content, FileRows]:
        """Return the rows of one file for each content that can be found."""
        import numpy as np

        present = self._newest().schema.names
        known_of_file = [name for name in _COPIED if name in present]
        writing = [name for name in ("writing",) if name in present]
        columns = ["path", "number", "time", *writing, *known_of_file, "vector"]
        rows: dict[Content, dict[str, list[tuple[Any, ...]]]] = {}
        for batch in self._scan(f"reason = '' AND content IN ({conditions.listed(contents)})", columns):
            vectors = list(_to_array(batch.column("vector"), self.encoder.dimension))
            values = [column.to_pylist() for column in batch.columns[:-1]]
            for path, number, time, *state, vector in zip(*values, vectors, strict=True):
                written = state.pop(0) if writing else ""
                known = FileState(**dict(zip(known_of_file, state, strict=True)))
                rows.setdefault(known.decides_rows, {}).setdefault(path, []).append(
                    (number, time, known, vector, written)
                )
        found = {}
        for key, copies in rows.items():
            path, moments = next(iter(copies.items()))
            moments.sort(key=lambda row: row[0])
            state = moments[0][2]
            found[key] = FileRows(
                restored(path),
                state,
                tuple(row[1] for row in moments),
                np.stack([row[3] for row in moments]),
                writings=tuple(row[4] for row in moments) if state.reader else (),
            )
        return found

    def write(self, files: Sequence[FileRows]) -> None:
        """Put files in, in place of what was known of them."""
        if not files:
            return
        with plain_errors("written", self._name, self._location):
            table = self._completed()
            # A film or a text may have fewer rows than before. Its last ones go first: after a crash between the two
            # steps, it still counts as changed and is read again.
            shrunk = [file for file in files if file.replaced is not None and file.replaced.kind != "image"]
            if shrunk:
                ends = [
                    conditions.every(conditions.at(file.path), f"number >= {max(1, len(file.times))}")
                    for file in shrunk
                ]
                table.delete(conditions.some(ends))
            merge = table.merge_insert(["path", "number"]).when_matched_update_all().when_not_matched_insert_all()
            merge.execute(to_arrow(files, table.schema, self.encoder.dimension))

    def complete(self) -> None:
        """Add the columns that a table of an earlier version lacks."""
        with plain_errors("written", self._name, self._location):
            self._completed()

    def _completed(self) -> Any:
        table = self._newest()
        missing = {name: value for name, value in ADDED_LATER.items() if name not in table.schema.names}
        if not missing:
            return table
        table.add_columns(missing)
        return self._newest()

    def write_fragments(self, files: Sequence[FileRows]) -> list[str]:
        """Write files that the table doesn't know, so that `append` can put them in; any number of processes may.

        Returns:
            What `append` takes: a text for each piece that was written. Pieces that are never put in are found by
            nobody, and are deleted with old versions.
        """
        if not files:
            return []
        from lance.fragment import write_fragments

        with plain_errors("written", self._name, self._location):
            table = self._newest()
            rows = to_arrow(files, table.schema, self.encoder.dimension)
            options = storage_options(self._location)
            return [json.dumps(each.to_json()) for each in write_fragments(rows, table, storage_options=options)]

    def append(self, fragments: Sequence[str]) -> None:
        """Put in what `write_fragments` has written, all in one commit."""
        if not fragments:
            return
        lance = load_lance()
        from lance.fragment import FragmentMetadata

        with plain_errors("written", self._name, self._location):
            table = self._newest()
            operation = lance.LanceOperation.Append([FragmentMetadata.from_json(each) for each in fragments])
            options = storage_options(self._location)
            lance.LanceDataset.commit(table, operation, read_version=table.version, storage_options=options)

    def remove(self, paths: Sequence[str]) -> None:
        """Drop files."""
        with plain_errors("written", self._name, self._location):
            for some in _portions(paths):
                self._newest().delete(conditions.among(some))

    def nearest(
        self, vector: np.ndarray, limit: int, *, kind: str | None = None, under: str | None = None
    ) -> list[Hit]:
        """Return the rows nearest to a vector of length 1, best first.

        Args:
            vector: float32 ``[d]``.
            limit: How many at most.
            kind: ``"image"``, ``"moment"``, ``"sound"`` or ``"text"`` for rows of that kind only.
            under: Only what lies below this folder.
        """
        with plain_errors("read", self._name, self._location):
            snapshot = self._in_memory()
            if snapshot is None:
                hits = self._ask_lance(vector, limit, kind, under)
            else:
                hits = snapshot.nearest(vector, limit, kind=kind, under=under)
        return [replace(hit, path=restored(hit.path)) for hit in hits]

    def written(self, words: Sequence[str], *, kind: str | None = None, under: str | None = None) -> list[Written]:
        """Return the rows in whose writing all words stand, as words or as parts of others, by path and number.

        Args:
            words: In small letters; at least one.
            kind: ``"image"`` or ``"moment"`` for rows of that kind only.
            under: Only what lies below this folder.
        """
        with plain_errors("read", self._name, self._location):
            if "writing" not in self._newest().schema.names:
                return []
        holds = [f"contains(replace(lower(writing), ' ', ''), {conditions.quoted(word)})" for word in words]
        of_kind = f"kind = {conditions.quoted(kind)}" if kind else None
        where = conditions.every(_FINDABLE, "writing != ''", of_kind, conditions.under(under), *holds)
        rows = sorted(self._values(where, ["path", "number", "time", "kind", "writing"]))
        return [Written(restored(path), time, of, writing) for path, _, time, of, writing in rows]

    def maintain(self) -> None:
        """Compact, and build or extend the indexes, where that pays."""
        with plain_errors("written", self._name, self._location):
            table = self._newest()
            indexes = [index for index in table.describe_indices() if index.field_names == ["vector"]]
            indexed = min((index.num_rows_indexed for index in indexes), default=None)
            unindexed = 0 if indexed is None else table.count_rows() - indexed
            most = _MAX_REMOTE_FRAGMENTS if is_remote(self._location) else _MAX_FRAGMENTS
            if table.stats.dataset_stats()["num_fragments"] > most or unindexed > _MAX_UNINDEXED:
                table.optimize.compact_files()
                table.optimize.optimize_indices()
            # A vector index is called after the number of rows that it was trained on.
            old = [index.name for index in indexes]
            trained = max((int(name.rpartition("_")[2]) for name in old), default=0)
            rows = table.count_rows("reason = ''")
            if rows > most_rows(self.encoder.dimension) and rows >= _RETRAIN_GROWTH * trained:
                self._index(table, rows, old)
            # What was compacted before the last hour is there twice until then.
            table.cleanup_old_versions(_KEEP_VERSIONS)

    def _index(self, table: Any, rows: int, old: Sequence[str]) -> None:
        """Build the vector index, in place of older ones."""
        if not old:
            table.create_scalar_index("path", "BTREE")
        partitions = max(1, rows // _ROWS_PER_PARTITION)
        table.create_index(
            "vector",
            _VECTOR_INDEX,
            name=f"vector_{rows}",
            metric="cosine",
            num_partitions=partitions,
            sample_rate=_SAMPLES_PER_PARTITION,
        )
        for name in old:
            table.drop_index(name)

    def _open(self) -> Any:
        return load_lance().dataset(
            _address(self._location), session=self._session, storage_options=storage_options(self._location)
        )

    def _newest(self) -> Any:
        """Return the table as it is now; the session keeps what opening it again has to read."""
        table = self._open()
        if table.schema.metadata != self._metadata:
            raise InputError(
                f"The index {self._name} was replaced by another one while it was open",
                "Open it again",
            )
        return table

    def _in_memory(self) -> Snapshot | None:
        """Return the newest version of the table in memory; None if it is too large."""
        with self._guard:
            table = self._newest()
            if table.count_rows() > most_rows(self.encoder.dimension):
                self._snapshot = None
                return None
            written = table.get_version()
            version = (written["version"], written["timestamp"])
            if self._snapshot is None or self._snapshot.version != version:
                self._snapshot = None
                self._snapshot = self._load(table, version)
            return self._snapshot

    def _load(self, table: Any, version: tuple[object, ...]) -> Snapshot:
        import numpy as np

        rows = table.scanner(columns=["path", "time", "kind", "vector"], filter=_FINDABLE).to_table()
        vectors = np.empty((rows.num_rows, self.encoder.dimension), np.float32)
        start = 0
        for chunk in rows.column("vector").chunks:
            vectors[start : start + len(chunk)] = _to_array(chunk, self.encoder.dimension)
            start += len(chunk)
        times = np.array(rows.column("time").to_pylist(), np.float64)  # None becomes NaN
        kinds = rows.column("kind").to_pylist()
        return Snapshot.sort(version, rows.column("path").to_pylist(), times, vectors, kinds)

    def _ask_lance(self, vector: np.ndarray, limit: int, kind: str | None, under: str | None) -> list[Hit]:
        where = conditions.every(f"kind = {conditions.quoted(kind)}" if kind else None, conditions.under(under))
        query = {"column": "vector", "q": vector, "k": limit, "metric": "cosine", "refine_factor": _REFINE}
        # The nearest partitions may not hold enough rows that pass a filter. More are looked at then, which has its
        # price (more than twice the time) even where it turns out not to be needed.
        query["minimum_nprobes" if where or limit > _ROWS_PER_PARTITION else "nprobes"] = _PROBES
        columns = ["path", "time", "kind", "_distance"]
        found = self._newest().to_table(columns=columns, filter=where or None, prefilter=True, nearest=query)
        return [
            Hit(path, time, 1.0 - distance, kind)
            for path, time, kind, distance in zip(*(found.column(name).to_pylist() for name in columns), strict=True)
        ]

    def _values(self, where: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
        for batch in self._scan(where, columns):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _scan(self, where: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with plain_errors("read", self._name, self._location):
            yield from self._newest().scanner(columns=columns, filter=where).to_batches()


def open_table(location: str, name: str | None = None) -> MediaTable | None:
    """Open the table of an index; None if there is none.

    Args:
        location: From `check_location`.
        name: How messages call the index; by default by its location.

    Raises:
        InputError: It can't be read, or was made by another version.
    """
    load_lance()
    from lance.file import LanceFileSession

    name = name or display_name(location)
    with plain_errors("read", name, location):
        files = LanceFileSession(location, storage_options(location)).list(f"{_FOLDER}/_versions")
        # Without a manifest there was a crash before the table was complete; creating it again succeeds.
        if not any(name.endswith(".manifest") for name in files):
            return None
    return MediaTable(location, name)


def create_table(location: str, encoder: Encoder, name: str | None = None) -> MediaTable:
    """Create the table of an index that has none.

    Args:
        location: From `check_location`.
        encoder: What makes its vectors.
        name: How messages call the index; by default by its location.

    Raises:
        InputError: It can't be written there.
    """
    lance = load_lance()
    schema = schema_of(encoder.dimension).with_metadata({"layout": _LAYOUT, "encoder": json.dumps(asdict(encoder))})
    name = name or display_name(location)
    with plain_errors("written", name, location):
        lance.write_dataset(schema.empty_table(), _address(location), storage_options=storage_options(location))
    return MediaTable(location, name)


def _address(location: str) -> str:
    return f"{location}/{_FOLDER}"


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _MOST_NAMED] for start in range(0, len(names), _MOST_NAMED))


def _to_array(column: pa.Array, dimension: int) -> np.ndarray:
    import numpy as np

    # A null row keeps its place in the values below it, whatever they are.
    values: np.ndarray = column.values.to_numpy(zero_copy_only=False)
    return values[column.offset * dimension :][: len(column) * dimension].reshape(-1, dimension).astype(np.float32)
