"""Rows of which only the first numbers are kept (Matryoshka representation learning)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium.errors import InputError, SensoriumError

if TYPE_CHECKING:
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows
    from sensorium.vision_language.text_embedder import TextEmbedder


def shortened(rows: Rows, dimensions: int | None, encoder: CLIP | TextEmbedder) -> Rows:
    """Return the first numbers of rows, scaled to length 1 again; the rows themselves for None.

    Args:
        rows: float32 ``[…, d]``.
        dimensions: How many numbers.
        encoder: The encoder that made them.

    Raises:
        InputError: The encoder makes no rows of that length.
    """
    if dimensions in (None, rows.shape[-1]):
        return rows
    require_length(dimensions, encoder)
    from sensorium.vision_language.dual_encoder import unit_length

    return unit_length(rows[..., :dimensions])


def require_length(dimensions: int | None, encoder: CLIP | TextEmbedder) -> None:
    """Refuse rows of a length that an encoder doesn't make.

    Raises:
        InputError: It makes none of that length.
    """
    backend = encoder.backend
    length = backend.embedding_size
    if dimensions is None or dimensions == length:
        return
    if not backend.shortens:
        raise InputError(
            f"{_of(dimensions)} can't be had of {encoder.model!r}, which makes {length}",
            "Leave dimensions out",
        )
    if not 0 < dimensions < length:
        raise InputError(
            f"{_of(dimensions)} can't be had of {encoder.model!r}",
            f"Ask for 1 to {length}, or leave dimensions out",
        )


def is_about_length(error: SensoriumError, dimensions: int | None) -> bool:
    """Return whether `require_length` raised an error: it may come from another process, as its words alone."""
    return dimensions is not None and error.message.startswith(f"{_of(dimensions)} ")


def _of(dimensions: int) -> str:
    return f"Vectors of {dimensions} numbers"
