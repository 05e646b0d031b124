"""What goes into the table of a search index and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    from sensorium.media.content import Kind

Content: TypeAlias = "tuple[str, float | None, str]"
"""Digest of a file's bytes, seconds between moments for a film, and what read its writing: what decides its rows."""

PICTURES = ("image", "moment")
"""The kinds of rows in which something may be written."""

NAME = "{file}"
"""Stands for a file's name in what is kept about it: it may be moved."""


@dataclass(frozen=True)
class Encoder:
    """What made the vectors of a table; vectors of two encoders never mix.

    Attributes:
        model: How the checkpoint is found again: catalog name, hub id or folder.
        name: Its name in messages.
        revision: Its revision, or "".
        dimension: Length of a vector.
        probe: What it makes of a fixed text, a fixed picture and, where it takes sound, fixed sound, one after the
            other.
        kinds: The kinds of files that it takes.
    """

    model: str
    name: str
    revision: str
    dimension: int
    probe: tuple[float, ...]
    kinds: tuple[Kind, ...] = ("image", "video")


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when it was read.

    Attributes:
        size: In bytes.
        modified_ns: Time of its last change; 0 if that was so recent that another change might not show.
        content: Digest of its bytes.
        every: Seconds between the moments of a film; None for anything else.
        reason: Why it can't be read; "" if it can.
        mount: Where the drive is mounted that holds it; "" if that wasn't noted.
        tried: Under which circumstances it couldn't be read, from `circumstances`; "" for a file that can be read.
        warnings: What was missing or damaged, a sentence on each line, with `NAME` for the file's name.
        kind: What its rows are: ``"image"``, ``"moment"`` (of a film), ``"sound"`` or ``"text"``.
        reader: Name of the checkpoint that read what is written in it; "" if none did.
    """

    size: int
    modified_ns: int
    content: str
    every: float | None
    reason: str
    mount: str = ""
    tried: str = ""
    warnings: str = ""
    kind: str = "image"
    reader: str = ""

    @property
    def decides_rows(self) -> Content:
        """What decides the rows of the file: files of which it is the same have the same rows."""
        return self.content, self.every, self.reader

    @property
    def may_hold_writing(self) -> bool:
        """Whether it can be read and is seen, so that something may be written there."""
        return not self.reason and self.kind in PICTURES

    def warned(self, name: str) -> tuple[str, ...]:
        """Return the warnings about a file that is called by a name now."""
        return tuple(line.replace(NAME, name) for line in self.warnings.split("\n") if line)


@dataclass(frozen=True)
class FileRows:
    """All rows of a file.

    Attributes:
        path: Absolute.
        state: The file as it was when it was read.
        times: Of the moments of a film or a recording, in seconds; None for a picture and each passage of a text;
            ``()`` for a file that can't be read.
        vectors: float32 ``[len(times), d]``, rows of length 1.
        replaced: What the index knew of the file before; None for a new one.
        writings: What is written in each of them, in lines; ``()`` if nobody read it.
    """

    path: str
    state: FileState
    times: tuple[float | None, ...]
    vectors: np.ndarray
    replaced: FileState | None = None
    writings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A row that a search found."""

    path: str
    time: float | None
    score: float
    kind: str


@dataclass(frozen=True)
class Written:
    """A row in whose writing something may stand that a search looks for."""

    path: str
    time: float | None
    kind: str
    writing: str
