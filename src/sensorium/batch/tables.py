"""Tables that name what is to be done: a row for each item, a column for each field."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sensorium.batch.fields import OperationFields
from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.storage.location import Location

if TYPE_CHECKING:
    from _csv import Reader

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
TEXTS = (".txt", ".md")

_ROWS = 1_000


def columns_of(table: Location) -> list[str]:
    """Return the names of a table's columns; of JSON lines, those of the first one.

    Raises:
        InputError: It can't be read, or has none.
    """
    suffix = _suffix(table)
    if suffix == ".parquet":
        with table.open() as file:
            names = list(_parquet(file, table).schema_arrow.names)
        if len(set(names)) < len(names):
            raise InputError(f"Columns of {display_name(table.address)} have the same name", "Rename them")
        return names
    if suffix in (".jsonl", ".ndjson"):
        return list(next((row for row in rows_of(table, None) if isinstance(row, Mapping)), {}))
    with _text(table) as lines:
        names = next(_csv(lines, suffix), [])
    if suffix == ".csv" and len(names) == 1 and ";" in names[0]:
        raise InputError(f"The columns of {display_name(table.address)} are separated by semicolons", "Use commas")
    if not names or len(set(names)) < len(names) or "" in names:
        raise InputError(
            f"The first line of {display_name(table.address)} doesn't name its columns, each by another name",
            "Write the names of fields into it",
        )
    return names


def rows_of(table: Location, fields: OperationFields | None) -> Iterator[dict[str, Any] | InputError]:
    """Yield the rows of a table: fields with their values, or why a row can't be read. Few are held at a time.

    Args:
        table: A CSV, TSV, JSON lines or Parquet file.
        fields: Tells what the texts of a CSV file's cells mean; None leaves them. What is empty is left out.
    """
    suffix = _suffix(table)
    if suffix == ".parquet":
        with table.open() as file:
            for batch in _parquet_batches(file, table):
                for row in batch.to_pylist():
                    yield _of_json({name: value for name, value in row.items() if value is not None}, table)
    elif suffix in (".jsonl", ".ndjson"):
        yield from _json_rows(table)
    else:
        yield from _csv_rows(table, suffix, fields)


def lines_of(text: Location) -> Iterator[str]:
    """Yield the lines of a text file in which something is written."""
    with _text(text) as lines:
        yield from (line.strip() for line in lines if line.strip())


def _json_rows(table: Location) -> Iterator[dict[str, Any] | InputError]:
    with _text(table) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                yield {name: value for name, value in row.items() if value is not None}
            else:
                yield InputError(f"Line {number} of {display_name(table.address)} holds no JSON object", "Correct it")


def _csv_rows(table: Location, suffix: str, fields: OperationFields | None) -> Iterator[dict[str, Any] | InputError]:
    with _text(table) as lines:
        rows = _csv(lines, suffix)
        names = next(rows, [])
        for number in itertools.count(2):
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield InputError(
                    f"Row {number} of {display_name(table.address)}, up to line {rows.line_num}, is no CSV: {error}",
                    "Close the quotes that it opens, and write quotes inside of a cell twice",
                )
                continue
            if row is None:
                return
            if not any(row):
                continue
            if len(row) > len(names):
                yield InputError(
                    f"Row {number} of {display_name(table.address)} has more cells than there are columns",
                    "Put quotes around cells with commas",
                )
                continue
            cells = {name: cell for name, cell in zip(names, row, strict=False) if cell != ""}
            yield cells if fields is None else {name: fields.value(name, cell) for name, cell in cells.items()}


def _csv(lines: io.TextIOWrapper, suffix: str) -> Reader:
    csv.field_size_limit(1 << 27)
    return csv.reader(lines, delimiter="\t" if suffix == ".tsv" else ",", strict=True)


@contextmanager
def _text(location: Location) -> Iterator[io.TextIOWrapper]:
    """Open a text file of any size, to be read line by line."""
    name = display_name(location.address)
    with location.open() as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as lines:
        try:
            yield lines
        except UnicodeDecodeError:
            raise InputError(f"{name} is no text in UTF-8", "Save it as UTF-8") from None
        except csv.Error as error:
            raise InputError(f"{name} is no CSV file: {error}", "Save it as CSV again") from None


def _parquet(file: Any, table: Location) -> Any:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(file)
    except (pyarrow.ArrowInvalid, OSError):
        raise InputError(f"{display_name(table.address)} is no Parquet file", "Write it again") from None


def _parquet_batches(file: Any, table: Location) -> Iterator[Any]:
    import pyarrow

    batches = _parquet(file, table).iter_batches(_ROWS)
    while True:
        try:
            batch = next(batches, None)
        except (pyarrow.ArrowInvalid, OSError):
            raise InputError(f"{display_name(table.address)} is a damaged Parquet file", "Write it again") from None
        if batch is None:
            return
        yield batch


def _of_json(row: dict[str, Any], table: Location) -> dict[str, Any] | InputError:
    for name, value in row.items():
        try:
            json.dumps(value)
        except TypeError:
            return InputError(
                f"The column {name!r} of {display_name(table.address)} holds what JSON can't: {type(value).__name__}",
                "Make it text or numbers",
            )
    return row


def _suffix(table: Location) -> str:
    return "." + table.name.rpartition(".")[2].lower()
