"""How large a picture is painted that follows another one, and how that other one is made to fit."""

from __future__ import annotations

import math

import PIL.Image
import PIL.ImageOps

from sensorium.errors import InputError

_EXTREME = 4
_STRETCH = 1.75
"""How many times its own number of pixels a checkpoint is let paint: 7:4 is the longest shape that is usual."""


def size_like(
    image: PIL.Image.Image,
    native_side: int,
    factor: int,
    *,
    width: int | None = None,
    height: int | None = None,
) -> tuple[int, int]:
    """Return the size that has an image's aspect ratio and as many pixels as a checkpoint paints best.

    Args:
        image: The picture to follow.
        native_side: Side of the square that the checkpoint was trained on.
        factor: Width and height are rounded to multiples of it.
        width: Taken as it is. Without a height, the height follows from it.
        height: Taken as it is. Without a width, the width follows from it.

    Raises:
        InputError: The picture is so long and thin that no checkpoint could paint one like it.
    """
    if width is not None and height is not None:
        return width, height
    ratio = image.width / image.height
    if not 1 / _EXTREME <= ratio <= _EXTREME:
        raise InputError(
            f"The picture measures {image.width}×{image.height} pixels, and one so long and thin can't be followed",
            "Give a width and a height, or cut it",
        )
    if width is not None:
        return width, _rounded(width / ratio, factor)
    if height is not None:
        return _rounded(height * ratio, factor), height
    return _rounded(native_side * math.sqrt(ratio), factor), _rounded(native_side / math.sqrt(ratio), factor)


def nearest_size(width: int, height: int, native_side: int, factor: int) -> tuple[int, int]:
    """Return the size nearest to a wish that a checkpoint paints well.

    One with far more pixels than the checkpoint was trained on becomes one with as many as these, in the same aspect
    ratio; the sides are rounded.

    Args:
        width: In pixels.
        height: In pixels.
        native_side: Side of the square that the checkpoint was trained on.
        factor: Width and height are rounded to multiples of it.

    Raises:
        InputError: It is so long and thin that no checkpoint could paint it.
    """
    if not 1 / _EXTREME <= width / height <= _EXTREME:
        raise InputError(
            f"A picture of {width}×{height} pixels is too long and thin to be painted",
            f"Let its longer side be at most {_EXTREME} times the shorter",
        )
    surplus = width * height / native_side**2
    scale = 1 / math.sqrt(surplus) if surplus > _STRETCH else 1.0
    return _rounded(width * scale, factor), _rounded(height * scale, factor)


def fit_picture(image: PIL.Image.Image, size: tuple[int, int], *, blend: bool = True) -> PIL.Image.Image:
    """Return an image in another size, undistorted: scaled until it covers that, then cut evenly at the edges.

    Args:
        image: The picture.
        size: Width and height.
        blend: Whether new pixels may have colours between those of the old ones.
    """
    if image.size == size:
        return image
    return PIL.ImageOps.fit(image, size, PIL.Image.Resampling.LANCZOS if blend else PIL.Image.Resampling.NEAREST)


def fits_unstretched(image_size: tuple[int, int], size: tuple[int, int], factor: int) -> bool:
    """Return whether `fit_picture` would cut off no more than rounding to ``factor`` explains."""
    scale = max(size[0] / image_size[0], size[1] / image_size[1])
    return all(scale * have - want < factor for have, want in zip(image_size, size, strict=True))


def _rounded(side: float, factor: int) -> int:
    return max(factor, round(side / factor) * factor)
