"""Where one of several processes puts the rows that it makes: into fragments of the table that nobody sees yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sensorium.retrieval.destination import Contents
from sensorium.retrieval.rows import Content, Encoder, FileRows
from sensorium.retrieval.table import MediaTable

if TYPE_CHECKING:
    import numpy as np

_HEXADECIMAL_DIGITS = 16


class KnownContents:
    """Which contents are in a table, in eight bytes each, and which are being read here.

    That two contents share their first 64 bits is next to impossible, and would cost no more than a look in vain.

    Args:
        digests: From `MediaTable.digests`.
    """

    def __init__(self, digests: np.ndarray) -> None:
        self._digests = digests
        self._here: set[Content] = set()

    def __contains__(self, content: object) -> bool:
        return content in self._here or (isinstance(content, tuple) and self.in_table(content[0]))

    def add(self, content: Content) -> None:
        """Note one that is being read."""
        self._here.add(content)

    def in_table(self, digest: str) -> bool:
        """Return whether a file of the table has a content, whatever its moments are."""
        if not digest:
            return False
        wanted = int(digest[:_HEXADECIMAL_DIGITS], 16)
        place = int(self._digests.searchsorted(self._digests.dtype.type(wanted)))
        return place < len(self._digests) and int(self._digests[place]) == wanted


class Fragments:
    """Takes the rows of one portion of files.

    New files go into fragments, which may be put in together with those of others. Files that the table knows are
    handed on as they are: taking their old rows out and putting new ones in has to be one step.

    Args:
        table: The table that they are for.
        known: Which contents can be found in it.
    """

    def __init__(self, table: MediaTable, known: KnownContents) -> None:
        self.written: list[str] = []
        self.replacing: list[FileRows] = []
        self._table = table
        self._known = known
        self._rows: dict[Content, FileRows] = {}

    @property
    def encoder(self) -> Encoder:
        """What makes the vectors."""
        return self._table.encoder

    def contents(self) -> Contents:
        """Return which contents are in the table, or in this portion."""
        return self._known

    def with_content(self, contents: Iterable[str]) -> Mapping[Content, FileRows]:
        """Return the rows of one file for each content that this portion or the table has."""
        wanted = set(contents)
        found = {content: rows for content, rows in self._rows.items() if content[0] in wanted}
        missing = {digest for digest in wanted if self._known.in_table(digest)} - {digest for digest, *_ in found}
        return found | self._table.with_content(missing) if missing else found

    def write(self, files: Sequence[FileRows]) -> None:
        """Take files."""
        self.written += self._table.write_fragments([file for file in files if file.replaced is None])
        self.replacing += (file for file in files if file.replaced is not None)
        for file in files:
            if file.state.content and not file.state.reason:
                self._rows.setdefault(file.state.decides_rows, file)
