"""Vectors of texts, images and recordings: ``Embeddings``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings(Record):
    """Texts, images and recordings as vectors of one space, in which what goes together lies close together.

    Attributes:
        vectors: float32 ``[texts + images + sounds, d]``, each row of length 1: first the texts, then the images, then
            the recordings, in order.
        model: Name of the checkpoint; only vectors of one checkpoint can be compared.
        texts: How many rows are of texts.
        images: How many rows are of images.
        tokens: How many tokens the texts have together, as the encoder reads them.
        sounds: How many rows are of recordings.
    """

    vectors: NDArray[np.float32]
    model: str
    texts: int
    images: int
    tokens: int
    sounds: int = 0
