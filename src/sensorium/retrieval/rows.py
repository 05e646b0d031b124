"""What goes into the table of a search index and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from sensorium.media.content import Kind

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
    """

    path: str
    state: FileState
    times: tuple[float | None, ...]
    vectors: np.ndarray
    replaced: FileState | None = None


@dataclass(frozen=True)
class Hit:
    """A row that a search found."""

    path: str
    time: float | None
    score: float
    kind: str
