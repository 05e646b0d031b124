"""Whether a checkpoint makes the vectors that an index holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

from sensorium.errors import InputError
from sensorium.retrieval.rows import Encoder
from sensorium.vision_language.shortening import shortened

if TYPE_CHECKING:
    import numpy as np

    from sensorium.media.content import Kind
    from sensorium.vision_language.clip import CLIP

Sense: TypeAlias = Literal["text", "picture", "sound"]
SENSES: tuple[Sense, ...] = ("text", "picture", "sound")

_SAME_ENCODER = 0.99


def senses_of(kinds: Collection[Kind]) -> tuple[Sense, ...]:
    """Return what a checkpoint that takes some kinds of files encodes, in the order of probes."""
    return SENSES if "audio" in kinds else SENSES[:2]


def make_probe(clip: CLIP, dimensions: int | None = None) -> tuple[float, ...]:
    """Return what a checkpoint makes of fixed inputs of all its senses, one after the other: `Encoder.probe`."""
    rows = (shortened(_encode(clip, sense), dimensions, clip) for sense in senses_of(clip.kinds))
    return tuple(float(value) for row in rows for value in row)


def check_probe(encoder: Encoder, clip: CLIP, senses: Iterable[Sense], name: str) -> None:
    """Encode some of the fixed inputs again, and compare.

    Args:
        encoder: What the index was made with.
        clip: The checkpoint that will encode a query or new files.
        senses: What it will encode: a text alone needs no look at the part of the checkpoint that sees.
        name: Of the index, for the message.

    Raises:
        InputError: The vectors differ.
    """
    import numpy as np

    known = np.array(encoder.probe, np.float32).reshape(len(senses_of(encoder.kinds)), -1)
    for sense in senses:
        row, expected = _encode(clip, sense)[: encoder.dimension], known[SENSES.index(sense)]
        row = row / max(float(np.linalg.norm(row)), 1e-12)
        if row.shape != expected.shape or row @ expected < _SAME_ENCODER:
            raise InputError(
                f"The index {name} was made with other weights than {clip.model!r} has now",
                "Make another index in an empty folder",
            )


def _encode(clip: CLIP, sense: Sense) -> np.ndarray:
    import numpy as np

    if sense == "text":
        rows = clip.text_rows("a photo of a cat")
    elif sense == "sound":
        seconds = np.arange(16_000, dtype=np.float32) / 16_000
        rows = clip.sound_rows(np.sin(800 * np.pi * seconds * (1 + seconds)).astype(np.float32))
    else:
        down, right = np.mgrid[0:224, 0:224].astype(np.uint8)
        rows = clip.image_rows(np.stack([down, right, 255 - down], axis=-1))
    row: np.ndarray = rows[0]
    return row
