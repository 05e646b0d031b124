"""Pictures in and out: any supported file to an upright RGB picture, and a picture to a file with its metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.naming import display_name
from sensorium.media.source import DEFAULT_LIMITS, Limits, MediaSource, resolve

ImageSource: TypeAlias = Image.Image | numpy.ndarray | MediaSource
"""A PIL image, an array (height × width × 3 of uint8, or of floats in 0…1), or anything that `resolve` takes."""


def read_image(source: ImageSource, *, minimum_side: int | None = None, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Read a picture as upright RGB."""
    if isinstance(source, Image.Image):
        return ImageOps.exif_transpose(source).convert("RGB")
    if isinstance(source, numpy.ndarray):
        return Image.fromarray(source).convert("RGB")
    media = resolve(source, limits=limits)
    if media.kind != "image":
        raise InputError(f"{media.name} is not a picture: it is {media.description}", "Save it as PNG or JPEG")
    with media.open() as file:
        try:
            image = Image.open(file)
            if minimum_side:
                image.draft("RGB", (minimum_side, minimum_side))
            return ImageOps.exif_transpose(image).convert("RGB")
        except Exception:
            raise InputError(f"The picture {media.name} is damaged", "Save it again as PNG or JPEG") from None


def write_image(image: Image.Image, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a picture."""
    if Path(path).suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp"}:
        raise InputError(f"{display_name(path)} has no known picture suffix", "Use .png, .jpg, .jpeg or .webp")
    info = PngInfo()
    for key, value in (metadata or {}).items():
        info.add_text(key, value)
    with atomic_file(path) as temporary:
        image.save(temporary, pnginfo=info)
    return Path(path)
