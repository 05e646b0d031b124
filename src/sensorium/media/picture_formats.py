"""The picture formats that are read: which package decodes each, and which size a header states before that."""

from __future__ import annotations

import importlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from PIL.ImageFile import ImageFile

from sensorium.errors import InputError
from sensorium.media.content import UNKNOWN, image_format
from sensorium.media.jpeg_xl_header import jpeg_xl_size
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import size_in_words
from sensorium.media.source import ResolvedMedia
from sensorium.quiet import without_warnings

logger = logging.getLogger(__name__)

SAVE_AGAIN = "Save it again as PNG or JPEG"


@dataclass(frozen=True)
class _Format:
    """Where the reader of a format is.

    Attributes:
        module: The module with the reader.
        reader: Its class.
        package: The package to install if the module is missing.
    """

    module: str
    reader: str
    package: str = "pillow>=11.3"


# These readers are called instead of Image.open, which would apply Image.MAX_IMAGE_PIXELS, a setting of the user's own
# program. Also, only one reader sees each file, and a phone's JPEG with a second picture inside is read as a plain
# JPEG.
_FORMATS: Mapping[str, _Format] = {
    "JPEG": _Format("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": _Format("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": _Format("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": _Format("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": _Format("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": _Format("PIL.TiffImagePlugin", "TiffImageFile"),
    "JPEG 2000": _Format("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "AVIF": _Format("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": _Format("pillow_heif", "HeifImageFile", "pillow-heif"),
    "JPEG XL": _Format("pillow_jxl.JpegXLImagePlugin", "JXLImageFile", "pillow-jxl-plugin"),
}
_JPEG_2000_SHARE = 4
"""Decoding JPEG 2000 takes so many times as much memory for each pixel, and more time, than other formats."""

_CONVERTIBLE = (UNKNOWN, " picture", " drawing", " document", " icon")


def open_picture(media: ResolvedMedia, file: BinaryIO, limits: Limits) -> ImageFile:
    """Read the header of a picture's file; its pixels are decoded when they are needed.

    Args:
        media: The picture.
        file: Its bytes, from the beginning.
        limits: The limits for the size of the file and the picture; they are checked before anything is decoded.

    Raises:
        InputError: It is no picture, its format's reader isn't installed, or it exceeds the limits.
        Exception: It is damaged: Pillow's readers raise errors of many kinds.
    """
    reader = _reader_of(media)
    if media.size > limits.max_image_bytes:
        allowed = size_in_words(limits.max_image_bytes)
        raise InputError(f"The picture {media.name} is larger than the {allowed} allowed", SAVE_AGAIN)
    if image_format(media.head) == "JPEG XL":  # its reader decodes all at once
        data = file.read()
        check_dimensions(jpeg_xl_size(data), media.name, limits)
        file = io.BytesIO(data)
    # The size that an AVIF file states may be false, too; its decoder then makes pictures of 16384×16384 at most.
    image = reader(file)
    if image.format == "JPEG2000":
        limits = replace(limits, max_pixels=limits.max_pixels // _JPEG_2000_SHARE)
    check_dimensions(image.size, media.name, limits)
    return image


def check_dimensions(size: tuple[int, int], name: str, limits: Limits) -> None:
    """Refuse a picture that has too many pixels, or none."""
    width, height = size
    remedy = "Make it smaller, or raise the limit"
    if max(size) > limits.max_side:
        raise InputError(
            f"The picture {name} measures {width}×{height} pixels, and sides over {limits.max_side} are not allowed",
            remedy,
        )
    if width * height > limits.max_pixels:
        raise InputError(
            f"The picture {name} measures {width}×{height} pixels, more than the {limits.max_pixels} allowed", remedy
        )
    if min(size) < 1:
        raise InputError(f"The picture {name} has no pixels", "Give another picture")


def stored_size(media: ResolvedMedia) -> tuple[int, int]:
    """Return width and height that the header of a picture's file states; nothing is decoded.

    Raises:
        InputError: It is no picture, its format's reader isn't installed, its header is damaged, or the file is larger
            than any picture.
    """
    reader = _reader_of(media)
    with media.open() as file, without_warnings():
        try:
            if image_format(media.head) == "JPEG XL":
                return jpeg_xl_size(file.read())
            if media.size > DEFAULT_LIMITS.max_image_bytes:  # some readers take the whole file into memory
                raise ValueError("too large")
            return reader(file).size
        except Exception as error:  # for damaged files, Pillow's readers raise errors of many kinds
            logger.debug("Pillow on %s: %r", media.name, error)
            raise damaged(media.name) from None


def damaged(name: str) -> InputError:
    """Return the error for a picture that can't be decoded."""
    return InputError(f"The picture {name} is damaged or cut short", SAVE_AGAIN)


def _reader_of(media: ResolvedMedia) -> type[ImageFile]:
    format = _FORMATS.get(image_format(media.head))
    if format is None:
        raise InputError(
            f"{media.name} is not a picture that can be read: it is {media.description}",
            SAVE_AGAIN if media.description.endswith(_CONVERTIBLE) else "Name a picture",
        )
    try:
        module = importlib.import_module(format.module)
    except ImportError as error:
        logger.debug("Importing %s: %r", format.module, error)
        raise InputError(
            f"{media.name} is {media.description}, and the package that reads it is not installed: {format.package}",
            f'Use pip install "{format.package}" where Sensorium runs, or save the picture again as PNG or JPEG',
        ) from None
    reader: type[ImageFile] = getattr(module, format.reader)
    return reader
