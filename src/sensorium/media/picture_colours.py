"""Converts the colours of decoded pictures to 8-bit sRGB without transparency."""

from __future__ import annotations

import io
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy
from PIL import Image, ImageCms

from sensorium.errors import InputError
from sensorium.media.colour_mapping import ColourCode, to_ordinary
from sensorium.media.ground import on_ground
from sensorium.media.picture_formats import SAVE_AGAIN

_SIXTEEN_TO_EIGHT_BITS = ((numpy.arange(65536, dtype=numpy.uint32) + 128) // 257).astype(numpy.uint8)


def to_rgb(image: Image.Image, profile: bytes | None, name: str, code: ColourCode | None) -> Image.Image:
    """Return a decoded picture in sRGB, 8 bits, without transparency.

    Args:
        image: The picture, in any mode.
        profile: Its colour profile.
        name: Its name in messages.
        code: What its numbers stand for, which then overrules the profile.

    Raises:
        InputError: It holds measured values that are no brightness.
    """
    alpha = None
    if image.mode.startswith("I") or image.mode == "F":
        image, alpha = _to_eight_bits(image, name)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    rgb = _to_srgb(image, profile) if code is None else _from_code(image.convert("RGB"), code)
    return rgb if alpha is None else on_ground(rgb, alpha)


def _from_code(image: Image.Image, code: ColourCode) -> Image.Image:
    return Image.fromarray(to_ordinary(numpy.asarray(image, numpy.uint16) * 257, code))


def _to_eight_bits(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """Convert grey values of 16 or 32 bits to 8 bits; return a mask too, if one value stands for transparent."""
    values = numpy.asarray(image)
    lowest, highest = values.min(), values.max()
    if image.mode == "F":
        if not (lowest >= 0 and highest <= 1):
            raise InputError(f"The picture {name} holds measured values, not brightness in 0…1", SAVE_AGAIN)
        grey = (values * 255 + 0.5).astype(numpy.uint8)
    elif lowest < 0 or highest > 65535:
        raise InputError(f"The picture {name} holds measured values, not brightness in 0…65535", SAVE_AGAIN)
    else:
        grey = _SIXTEEN_TO_EIGHT_BITS[values]
    transparent = image.info.get("transparency")
    alpha = Image.fromarray((values != transparent).astype(numpy.uint8) * 255) if isinstance(transparent, int) else None
    return Image.fromarray(grey), alpha


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "LAB":
        return _convert_colours(image, ImageCms.createProfile("LAB"))
    if profile:
        # A profile that is damaged, or made for another kind of colours, is ignored, as in all viewers.
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = described.profile.xcolor_space.strip()
            if space == "GRAY" and image.mode != "CMYK":
                return _convert_colours(image.convert("L"), described)
            if space == "CMYK" and image.mode == "CMYK":
                return _convert_colours(image, described)
            if space == "RGB" and image.mode != "CMYK" and _changes_colours(profile):
                return _convert_colours(image.convert("RGB"), described)
    return image if image.mode == "RGB" else image.convert("RGB")


def _convert_colours(image: Image.Image, profile: Any) -> Image.Image:
    converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None
    return converted


@lru_cache(maxsize=32)
def _changes_colours(profile: bytes) -> bool:
    """Return whether an RGB profile changes colours, tried on a grid of colours.

    Most profiles are just sRGB, and converting a picture of 24 megapixels takes 0.7 s.
    """
    levels = numpy.linspace(0, 255, 17).astype(numpy.uint8)
    grid = numpy.stack(numpy.meshgrid(levels, levels, levels), axis=-1).reshape(17, -1, 3)
    converted = _convert_colours(Image.fromarray(grid), ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    return bool(numpy.abs(numpy.asarray(converted).astype(int) - grid).max() > 1)
