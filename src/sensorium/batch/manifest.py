"""What came of all items of a batch, as one table: Parquet or Lance."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sensorium import settings
from sensorium.batch.finished import FinishedItems, halves, last_places
from sensorium.batch.item import FILES, ItemOutcome
from sensorium.batch.journal import journal_files, read_journal
from sensorium.errors import InputError, MissingDependencyError, ModelUnavailableError, SensoriumError, StorageError
from sensorium.media.naming import display_name
from sensorium.storage.location import Location

if TYPE_CHECKING:
    import pyarrow

ManifestKind: TypeAlias = Literal["parquet", "lance"]

TRY_AGAIN: dict[str, type[SensoriumError]] = {
    each.__name__: each for each in (StorageError, ModelUnavailableError, MissingDependencyError)
}
"""Errors that are no fault of an item: it isn't done, and runs again."""

JOURNAL = ".batch/journal"
"""Where outcomes lie below the output until they are part of the table."""

_ROWS = 2_000
_COLUMNS = ("id", "input", "result", "files", "model", "seed", "started", "seconds", "weight", "error", "error_type")


@dataclass(frozen=True)
class Manifest:
    """The table of a batch, and the outcomes that aren't part of it yet.

    Attributes:
        output: The folder of the batch.
        kind: Of the table.
    """

    output: Location
    kind: ManifestKind = "parquet"

    @property
    def table(self) -> Location:
        """Where the table lies: a file, or the folder of a Lance dataset."""
        return self.output.join(f"manifest.{self.kind}")

    def exists(self) -> bool:
        """Return whether there is a table. A Lance dataset has none as long as its first version isn't complete."""
        return (self.table.join("_versions") if self.kind == "lance" else self.table).exists()

    @property
    def journal(self) -> Location:
        """The folder of the outcomes that aren't part of the table yet."""
        return self.output.join(*JOURNAL.split("/"))

    def finished(
        self, *, retry_errors: bool = False, note: Callable[[str], None] = lambda sentence: None
    ) -> FinishedItems:
        """Return the items that needn't run again; call `compact` before.

        Args:
            retry_errors: Whether those that failed are to run again.
            note: Told of items that count as not done, since files that they had made are gone.
        """
        lost, example = 0, ""

        def whole(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
            nonlocal lost, example
            made = _MadeFiles(self.output)
            for row in rows:
                gone = made.first_missing(row["files"] or ())
                if gone:
                    lost, example = lost + 1, example or gone
                else:
                    yield row["id"]

        finished = FinishedItems.of(whole(self._finished_rows(retry_errors)))
        if lost:
            items = "1 item counts" if lost == 1 else f"{lost} items count"
            note(f"{items} as not done: what was made is gone, such as {example}.")
        return finished

    def outcomes(self) -> Iterator[ItemOutcome]:
        """Yield all outcomes, of an item that ran again the last one; call `compact` before."""
        for batch in self._batches(_COLUMNS):
            for row in batch.to_pylist():
                yield ItemOutcome.from_dict({**row, "files": row["files"] or []})

    def compact(self) -> int:
        """Make the outcomes of the journal part of the table; return how many rows the table has then.

        The old table is there until the new one is complete. A kill at any point loses nothing: outcomes that are in
        both are taken once.
        """
        files = journal_files(self.journal)
        if not files and self.exists():
            return self._count()
        # Of the old table only those rows stay that no newer one replaces; the newest are those of the journal.
        ids = halves(id for file in files for id in (outcome.id for outcome in read_journal(file.location)))
        last = last_places(ids)
        rows = self._rewrite(files, last, FinishedItems(ids))
        for file in files:
            file.location.delete()
        return rows

    def errors(self) -> int:
        """Return how many rows of the table hold an error; call `compact` before."""
        return sum(sum(map(bool, batch["error"].to_pylist())) for batch in self._batches(("error",)))

    def _finished_rows(self, retry_errors: bool) -> Iterator[dict[str, Any]]:
        for batch in self._batches(("id", "files", "error", "error_type")):
            for row in batch.to_pylist():
                if not row["error"] or not (retry_errors or row["error_type"] in TRY_AGAIN):
                    yield row

    def _rewrite(self, files: list[Any], last: Any, replaced: FinishedItems) -> int:
        import pyarrow

        count = 0

        def batches() -> Iterator[Any]:
            nonlocal count
            for batch in self._batches(_COLUMNS):
                kept = batch.filter(
                    pyarrow.array([id not in replaced for id in batch["id"].to_pylist()], pyarrow.bool_())
                )
                count += kept.num_rows
                if kept.num_rows:
                    yield kept
            chosen = iter(last.tolist())
            outcomes = (outcome for file in files for outcome in read_journal(file.location) if next(chosen))
            for batch in _batched(outcomes):
                count += batch.num_rows
                yield batch

        if self.kind == "parquet":
            self._write_parquet(batches())
        else:
            self._write_lance(batches())
        return count

    def _write_parquet(self, batches: Iterable[Any]) -> None:
        from pyarrow import parquet

        with (
            self.table.written(".parquet") as path,
            parquet.ParquetWriter(path, _schema(), compression="zstd") as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)

    def _write_lance(self, batches: Iterable[Any]) -> None:
        import pyarrow

        with _lance() as lance:
            reader = pyarrow.RecordBatchReader.from_batches(_schema(), batches)
            lance.write_dataset(reader, self.table.address, mode="overwrite").cleanup_old_versions(timedelta())

    def _batches(self, columns: Iterable[str]) -> Iterator[Any]:
        """Yield the rows of the table, some at a time."""
        if not self.exists():
            return
        if self.kind == "lance":
            with _lance() as lance:
                yield from lance.dataset(self.table.address).to_batches(columns=list(columns), batch_size=_ROWS)
            return
        with self._opened() as table:
            if not set(columns) <= set(table.schema_arrow.names):
                raise self._damaged()
            yield from table.iter_batches(_ROWS, columns=list(columns))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        import pyarrow
        from pyarrow import parquet

        with self.table.open() as file:
            try:
                table = parquet.ParquetFile(file)
            except pyarrow.ArrowInvalid:
                raise self._damaged() from None
            with table:
                yield table

    def _damaged(self) -> InputError:
        name = display_name(self.table.address)
        return InputError(f"{name} is no manifest of a batch, or is damaged", "Move it away, and all items run again")

    def _count(self) -> int:
        if self.kind == "lance":
            with _lance() as lance:
                return int(lance.dataset(self.table.address).count_rows())
        with self._opened() as table:
            return int(table.metadata.num_rows)


class _MadeFiles:
    """Which of the files that items made are there; an object store is asked once for all of them."""

    def __init__(self, output: Location) -> None:
        self._output = output
        self._listed: FinishedItems | None = None

    def first_missing(self, files: Sequence[str]) -> str:
        """Return the first of some files, as paths below the output, that isn't there; "" if all are."""
        if not files:
            return ""
        folder = self._output.local
        if folder is not None:
            return next((file for file in files if not (folder / file).is_file()), "")
        if self._listed is None:
            begin = len(self._output.address) + 1
            stored = self._output.join(FILES).files()
            self._listed = FinishedItems.of(_digest(each.location.address[begin:]) for each in stored)
        return next((file for file in files if _digest(file) not in self._listed), "")


def _digest(file: str) -> str:
    return hashlib.sha256(file.encode()).hexdigest()[:32]


def _schema() -> pyarrow.Schema:
    import pyarrow

    text = pyarrow.string()
    return pyarrow.schema(
        [
            pyarrow.field("id", text, nullable=False),
            pyarrow.field("input", text, nullable=False),
            ("result", pyarrow.large_string()),
            ("files", pyarrow.list_(text)),
            ("model", text),
            ("seed", pyarrow.int64()),
            ("started", text),
            ("seconds", pyarrow.float64()),
            ("weight", pyarrow.float64()),
            ("error", text),
            ("error_type", text),
        ]
    )


def _row(outcome: ItemOutcome) -> dict[str, Any]:
    row = outcome.to_dict()
    if outcome.seed is not None and not -(1 << 63) <= outcome.seed < 1 << 63:
        row["seed"] = None  # the column holds 64 bits; the result has it whole
    return row


def _batched(outcomes: Iterator[ItemOutcome]) -> Iterator[Any]:
    import pyarrow

    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        rows.append(_row(outcome))
        if len(rows) == _ROWS:
            yield pyarrow.RecordBatch.from_pylist(rows, schema=_schema())
            rows = []
    if rows:
        yield pyarrow.RecordBatch.from_pylist(rows, schema=_schema())


@contextmanager
def _lance() -> Iterator[Any]:
    settings.quiet_lance()
    import lance

    yield lance
