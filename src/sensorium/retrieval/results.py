"""What the search index answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sensorium.record import Record


@dataclass(frozen=True, eq=False, repr=False)
class Match(Record):
    """Something that was found.

    Attributes:
        path: The picture, film, recording or text; an address for what lies in an object store.
        kind: ``"image"``, ``"moment"`` (of a film), ``"sound"`` or ``"text"``.
        time: Where in the film or recording, in seconds; None for a picture and a text.
        score: Cosine of the angle between query and match, from -1 to 1; higher is nearer. 1 for a match by writing.
        writing: The line of its writing in which the words of the query stand; None for a match by what it shows.
    """

    path: Path
    kind: str
    time: float | None
    score: float
    writing: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class _Matches(Record):
    """Matches as `Matches.to_dict` writes them."""

    matches: tuple[Match, ...]
    model: str
    warnings: tuple[str, ...] = ()


class Matches(list[Match]):
    """What was found, best first.

    Attributes:
        model: Name of the checkpoint that compared.
        warnings: One sentence if files that were near are not where they were indexed; they are left out.
    """

    def __init__(self, matches: Iterable[Match], *, model: str, warnings: tuple[str, ...] = ()) -> None:
        super().__init__(matches)
        self.model = model
        self.warnings = warnings

    def to_dict(self) -> dict[str, Any]:
        """Return matches, model and warnings, ready for ``json.dumps``."""
        return {
            "matches": [match.to_dict() for match in self],
            "model": self.model,
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made a document of.

        Raises:
            InputError: It is no such document.
        """
        read = _Matches.from_dict(document)
        return cls(read.matches, model=read.model, warnings=read.warnings)


@dataclass(frozen=True, eq=False, repr=False)
class SkippedFile(Record):
    """A file that is not in the index, and why.

    Attributes:
        path: The file or folder.
        reason: One sentence.
    """

    path: Path
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class IndexReport(Record):
    """What `SearchIndex.add` did, in files.

    Attributes:
        added: New in the index.
        updated: Changed since last time, and read again.
        unchanged: As they were.
        removed: Gone, and dropped from the index.
        skipped: Files that can't be read, each with the reason.
        reused: How many of the added, updated and moved ones were known already by their content, so that no model had
            to look at them.
        model: Name of the checkpoint that encodes.
        moved: At another place, or under another name, than before.
        warnings: What is missing or damaged in the films that it was called for, whenever they were read.
        passed_over: Recordings and texts that the checkpoint makes no vectors of, each with a sentence.
    """

    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: tuple[SkippedFile, ...]
    reused: int
    model: str
    moved: int = 0
    warnings: tuple[str, ...] = ()
    passed_over: tuple[SkippedFile, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class IndexedFile(Record):
    """A file in the index.

    Attributes:
        path: The picture, film, recording or text.
        kind: ``"image"``, ``"video"``, ``"audio"`` or ``"text"``.
        size: In bytes, when it was read.
        moments: How many moments of a film or recording, or passages of a text, can be found; 1 for a picture.
        warnings: What was missing or damaged when it was read.
    """

    path: Path
    kind: str
    size: int
    moments: int
    warnings: tuple[str, ...] = ()
