"""Whether a checkpoint makes the vectors that an index holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

from sensorium.errors import InputError
from sensorium.retrieval.rows import Encoder

if TYPE_CHECKING:
    import numpy as np

    from sensorium.vision_language.clip import CLIP

Sense: TypeAlias = Literal["text", "picture"]
SENSES: tuple[Sense, ...] = ("text", "picture")

_SAME_ENCODER = 0.99


def make_probe(clip: CLIP) -> tuple[float, ...]:
    """Return what a checkpoint makes of a fixed text and of a fixed picture, one after the other: `Encoder.probe`."""
    return tuple(float(value) for sense in SENSES for value in _encode(clip, sense))


def check_probe(encoder: Encoder, clip: CLIP, senses: Iterable[Sense], name: str) -> None:
    """Encode the fixed text, the fixed picture or both again, and compare.

    Args:
        encoder: What the index was made with.
        clip: The checkpoint that will encode a query or new files.
        senses: What it will encode: a text alone needs no look at the part of the checkpoint that sees.
        name: Of the index, for the message.

    Raises:
        InputError: The vectors differ.
    """
    import numpy as np

    known = np.array(encoder.probe, np.float32).reshape(len(SENSES), -1)
    for sense in senses:
        row, expected = _encode(clip, sense), known[SENSES.index(sense)]
        if row.shape != expected.shape or row @ expected < _SAME_ENCODER:
            raise InputError(
                f"The index {name} was made with other weights than {clip.model!r} has now",
                "Make another index in an empty folder",
            )


def _encode(clip: CLIP, sense: Sense) -> np.ndarray:
    import numpy as np

    if sense == "text":
        rows = clip.text_rows("a photo of a cat")
    else:
        down, right = np.mgrid[0:224, 0:224].astype(np.uint8)
        rows = clip.image_rows(np.stack([down, right, 255 - down], axis=-1))
    row: np.ndarray = rows[0]
    return row
