"""What became of the files that were read for an index."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Self

from sensorium.media.content import Kind
from sensorium.retrieval.results import SkippedFile
from sensorium.retrieval.rows import FileState


@dataclass
class IngestCounts:
    """What became of the files that were read.

    Attributes:
        added: New in the index.
        updated: Changed, and read again.
        unchanged: Only looked changed; the content is the same.
        reused: How many of the added and updated ones were known by their content.
        skipped: Files that can't be read.
        arrived: The contents of the files that are new in the index, by path.
        broken: The same of new files that can't be read.
        damaged: Those that something is missing of, by path.
        passed_over: Files that were named and that the encoder makes no vectors of, with their kinds.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    reused: int = 0
    skipped: list[SkippedFile] = field(default_factory=list)
    arrived: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, FileState] = field(default_factory=dict)
    passed_over: dict[str, Kind] = field(default_factory=dict)

    def __iadd__(self, other: IngestCounts) -> Self:
        """Add what another process counted, of other files."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, mine | theirs if isinstance(mine, dict) else mine + theirs)
        return self
