"""Where the rows of files go: into a table, or beside it, where one of several processes writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from sensorium.retrieval.rows import Content, Encoder, FileRows


class Contents(Protocol):
    """Which contents can be found, or will be in a moment."""

    def __contains__(self, content: object, /) -> bool:
        """Return whether a content can be found."""

    def add(self, content: Content, /) -> None:
        """Note one that is being read."""


class Destination(Protocol):
    """Takes rows, and knows those that are there."""

    @property
    def encoder(self) -> Encoder:
        """What makes the vectors."""

    def contents(self) -> Contents:
        """Return which contents can be found."""

    def with_content(self, contents: Iterable[str]) -> Mapping[Content, FileRows]:
        """Return the rows of one file for each content that can be found."""

    def write(self, files: Sequence[FileRows]) -> None:
        """Put files in, in place of what was known of them."""
