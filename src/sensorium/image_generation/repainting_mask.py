"""Masks that mark with white which part of a picture is to be repainted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.media.image import read_image
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import display_name

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource

_REPAINTED_FROM = 128
"""Level of grey from which a mask marks its place."""


def read_repainting_mask(source: ImageSource, *, limits: Limits = DEFAULT_LIMITS) -> PIL.Image.Image:
    """Read a mask.

    Args:
        source: White where to repaint, black where all stays.
        limits: What it may cost, and where it may come from.

    Returns:
        The mask, grey.

    Raises:
        InputError: It is white nowhere, or no picture.
    """
    mask = read_image(source, limits=limits).convert("L")
    if not sum(mask.histogram()[_REPAINTED_FROM:]):
        raise InputError(
            f"The mask {display_name(source)} is white nowhere: nothing would be repainted",
            "Make it white where to repaint",
        )
    return mask
