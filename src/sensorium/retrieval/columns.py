"""The columns of an index's table, and files as rows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sensorium.retrieval.rows import FileRows, FileState
from sensorium.retrieval.stored_paths import stored

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

STATE_COLUMNS = tuple(field.name for field in fields(FileState))
"""Those that hold what is known of a file."""

ADDED_LATER = {"mount": "''", "tried": "''", "warnings": "''", "reader": "''", "writing": "''"}
"""Those that an index of an earlier version lacks, with what SQL puts into them."""


def schema_of(dimension: int) -> pa.Schema:
    """Return the columns for vectors of a length."""
    import pyarrow as pa

    return pa.schema(
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
            pa.field("vector", pa.list_(pa.float32(), dimension)),
            pa.field("mount", pa.string(), nullable=False),
            pa.field("tried", pa.string(), nullable=False),
            pa.field("warnings", pa.string(), nullable=False),
            pa.field("reader", pa.string(), nullable=False),
            pa.field("writing", pa.string(), nullable=False),
        ]
    )


def to_arrow(files: Sequence[FileRows], schema: pa.Schema, dimension: int) -> pa.Table:
    """Return files as rows of a table.

    Args:
        files: At least one.
        schema: Of the table.
        dimension: Length of a vector.
    """
    import numpy as np
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in schema.names if name != "vector"}
    vectors: list[np.ndarray] = []
    for file in files:
        state = {name: getattr(file.state, name) for name in STATE_COLUMNS}
        state["mount"] = stored(file.state.mount)
        unreadable = np.zeros((1, dimension), np.float32)
        for number, time in enumerate(file.times or (None,)):
            writing = file.writings[number] if file.writings else ""
            row = {"path": stored(file.path), "number": number, "time": time, "writing": writing, **state}
            for name, column in columns.items():
                column.append(row[name])
        vectors.append(file.vectors if file.times else unreadable)
    matrix = np.concatenate(vectors).astype(np.float32, copy=False)
    # A vector that isn't finite is near to nothing and is left out, as that of a file that can't be read.
    missing = np.array([bool(reason) for reason in columns["reason"]]) | ~np.isfinite(matrix).all(axis=1)
    rows = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), dimension, mask=pa.array(missing))
    arrays = [rows if name == "vector" else columns[name] for name in schema.names]
    return pa.table(arrays, schema=schema)
