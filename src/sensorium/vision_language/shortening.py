"""Rows of which only the first numbers are kept (Matryoshka representation learning)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium.errors import InputError, SensoriumError

if TYPE_CHECKING:
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows


def shortened(rows: Rows, dimensions: int | None, clip: CLIP) -> Rows:
    """Return the first numbers of rows, scaled to length 1 again; the rows themselves for None.

    Args:
        rows: float32 ``[…, d]``.
        dimensions: How many numbers.
        clip: The encoder that made them.

    Raises:
        InputError: The encoder makes no rows of that length.
    """
    if dimensions in (None, rows.shape[-1]):
        return rows
    require_length(dimensions, clip)
    from sensorium.vision_language.dual_encoder import unit_length

    return unit_length(rows[..., :dimensions])


def require_length(dimensions: int | None, clip: CLIP) -> None:
    """Refuse rows of a length that an encoder doesn't make.

    Raises:
        InputError: It makes none of that length.
    """
    backend = clip.backend
    length = backend.embedding_size
    if dimensions is None or dimensions == length:
        return
    if not backend.shortens:
        raise InputError(
            f"{_of(dimensions)} can't be had of {clip.model!r}, which makes {length}",
            "Leave dimensions out",
        )
    if not 0 < dimensions < length:
        raise InputError(
            f"{_of(dimensions)} can't be had of {clip.model!r}",
            f"Ask for 1 to {length}, or leave dimensions out",
        )


def is_about_length(error: SensoriumError, dimensions: int | None) -> bool:
    """Return whether `require_length` raised an error: it may come from another process, as its words alone."""
    return dimensions is not None and error.message.startswith(f"{_of(dimensions)} ")


def _of(dimensions: int) -> str:
    return f"Vectors of {dimensions} numbers"
