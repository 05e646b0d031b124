"""Reads any supported file as an upright RGB picture, and writes a picture to a file with its metadata."""

from __future__ import annotations

import ctypes
import io
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy
import numpy.typing
import PIL
from PIL import Image, ImageChops, ImageCms
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.content import image_format
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import display_name, size_in_words
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.quiet import without_warnings

logger = logging.getLogger(__name__)

ImageSource: TypeAlias = Image.Image | numpy.typing.NDArray[Any] | MediaSource
"""A PIL image, an array (see `read_image`), or anything that `resolve` takes."""

DEFAULT_QUALITY = 95
"""Of JPEG and WebP files: the eye sees no loss."""

# These readers are called instead of Image.open, which would apply Image.MAX_IMAGE_PIXELS, a setting of the user's own
# program. Also, only one reader sees each file, and a phone's JPEG with a second picture inside is read as a plain
# JPEG.
_READERS: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
_WHITE = (255, 255, 255)
_ORIENTATION = 0x0112
_IMAGE_DESCRIPTION = 0x010E
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_TO_EIGHT_BITS = ((numpy.arange(65536, dtype=numpy.uint32) + 128) // 257).astype(numpy.uint8)
_MOST_SCANS = 100
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # FF 00 and FF D0…D7 are part of a scan
_START_OF_SCAN, _END_OF_IMAGE, _TEMPORARY = 0xDA, 0xD9, 0x01
_SAVE_AGAIN = "Save it again as PNG or JPEG"
_WRITERS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def read_image(source: ImageSource, *, minimum_side: int | None = None, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Read a picture as upright 8-bit RGB in the sRGB colour space.

    The picture is turned as the camera noted, its colour profile is converted, and transparent parts become white. If
    the file is an animation or has several pages, the first picture is read. Size limits are checked before any pixel
    is decoded. A damaged or incomplete file is refused; missing parts are never filled with grey.

    Args:
        source: A JPEG, PNG, WebP, GIF, BMP or TIFF file as path, address, data: URI, bytes or open file; or a PIL
            image; or an array of shape (height, width), (height, width, 3) or (height, width, 4), of uint8 or of floats
            in 0…1.
        minimum_side: If given, the result may be smaller than the stored picture, but its shorter side has at least
            this many pixels (if the stored picture has). Large JPEG files are then decoded several times faster.
        limits: The limits for the sizes of the file and the picture.

    Returns:
        An RGB image. If ``source`` is a PIL image that needs no change, the same object is returned.

    Raises:
        InputError: The source can't be read, is no picture, is damaged, or exceeds the limits.
    """
    if isinstance(source, Image.Image):
        return _from_pil(source, limits)
    if isinstance(source, numpy.ndarray):
        return _from_array(source, limits)
    return _read_file(source, minimum_side, limits, _to_upright_rgb)


def read_mask(source: MediaSource, *, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Read a mask that marks with transparency, as painting programs draw it: the result is white there, else black.

    A picture without any transparency is taken as a mask that marks with white already.

    Args:
        source: A picture's file.
        limits: As for `read_image`.

    Returns:
        A grey image ("L"), upright.

    Raises:
        InputError: The source can't be read, or could be transparent and is so nowhere.
    """
    return _read_file(source, None, limits, _to_upright_mask)


def stored_size(media: ResolvedMedia) -> tuple[int, int]:
    """Return width and height that the header of a picture's file states; nothing is decoded, and no limit applies.

    Raises:
        InputError: It is no picture, or its header is damaged.
    """
    reader = _READERS.get(image_format(media.head))
    if reader is None:
        raise InputError(f"{media.name} is not a picture that can be read: it is {media.description}", _SAVE_AGAIN)
    with media.open() as file, without_warnings():
        try:
            return reader(file).size
        except Exception as error:  # for damaged files, Pillow's readers raise errors of many kinds
            logger.debug("Pillow on %s: %r", media.name, error)
            raise InputError(f"The picture {media.name} is damaged or cut short", _SAVE_AGAIN) from None


def write_image(
    image: Image.Image,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
    quality: int = DEFAULT_QUALITY,
) -> Path:
    """Write a picture to a file, which appears complete or not at all.

    Args:
        image: The picture.
        path: The file to write; its suffix chooses the format: .png, .jpg, .jpeg or .webp. JPEG has no transparency:
            transparent parts become white.
        metadata: Texts to write into the file: as PNG text, or as one JSON object in the EXIF image description of JPEG
            and WebP. For PNG, names must have 1 to 79 letters.
        quality: Of JPEG and WebP, 0 to 100: lower makes smaller files.

    Returns:
        The path.

    Raises:
        InputError: The suffix is none of these, the metadata are too long, or the file can't be written.
    """
    target = Path(path)
    format = _WRITERS.get(target.suffix.lower())
    if format is None:
        raise InputError(
            f"{display_name(path)} has no suffix of a picture format that can be written",
            f"Use one of {', '.join(_WRITERS)}",
        )
    if image.mode not in ("RGB", "L") and not (image.mode == "RGBA" and format != "JPEG"):
        image = read_image(image)
    with atomic_file(path) as temporary:
        try:
            if format == "PNG":
                text = PngInfo()
                for name, value in (metadata or {}).items():
                    text.add_text(name, value)
                image.save(temporary, format, pnginfo=text)
            else:
                image.save(temporary, format, quality=quality, exif=_description(metadata or {}))
        except ValueError:
            raise InputError(
                f"The metadata of {display_name(path)} don't fit into a {format} file", "Shorten them"
            ) from None
    return target


def _description(metadata: Mapping[str, str]) -> Image.Exif:
    exif = Image.Exif()
    if metadata:
        exif[_IMAGE_DESCRIPTION] = json.dumps(dict(metadata))
    return exif


def _read_file(
    source: MediaSource, minimum_side: int | None, limits: Limits, convert: Callable[[Image.Image, str], Image.Image]
) -> Image.Image:
    media = resolve(source, limits=limits)
    reader = _READERS.get(image_format(media.head))
    if reader is None:
        raise InputError(f"{media.name} is not a picture that can be read: it is {media.description}", _SAVE_AGAIN)
    if media.size > limits.max_image_bytes:
        allowed = size_in_words(limits.max_image_bytes)
        raise InputError(f"The picture {media.name} is larger than the {allowed} allowed", _SAVE_AGAIN)
    return _decode(media, reader, minimum_side, limits, convert)


def _decode(
    media: ResolvedMedia,
    reader: type[ImageFile],
    minimum_side: int | None,
    limits: Limits,
    convert: Callable[[Image.Image, str], Image.Image],
) -> Image.Image:
    with media.open() as file:
        if reader is JpegImageFile:
            data = file.read()
            _check_scans(data, media.name)
            file = io.BytesIO(data)
        try:
            if reader is TiffImageFile:
                _silence_libtiff()
            with without_warnings():
                image = reader(file)
                _check_dimensions(image.size, media.name, limits)
                if minimum_side is not None:
                    image.draft("", (minimum_side, minimum_side))
                image.load()
                converted = convert(image, media.name)
            return _without_file(image) if converted is image else converted
        except InputError:
            raise
        except MemoryError:
            raise InputError(f"The picture {media.name} doesn't fit into memory", "Make it smaller") from None
        except Exception as error:  # for damaged files, Pillow's readers raise errors of many kinds
            logger.debug("Pillow on %s: %r", media.name, error)
            raise InputError(f"The picture {media.name} is damaged or cut short", _SAVE_AGAIN) from None


def _without_file(image: ImageFile) -> Image.Image:
    """Separate a decoded picture from its file and its notes (place, camera), so that these can be freed."""
    image.info = {}
    if isinstance(image, (JpegImageFile, PngImageFile)):
        image.fp = None  # nothing else holds the file, and copying a large photo costs much time and memory
        return image
    return image.copy()


def _check_scans(data: bytes, name: str) -> None:
    """Refuse a JPEG file with thousands of scans of the whole picture: it is small, but decoding it takes hours."""
    scans, marker = 0, _JPEG_MARKER.search(data, 2)
    while marker is not None and marker[0][1] != _END_OF_IMAGE:
        end = marker.end()
        if marker[0][1] != _TEMPORARY:  # the only other marker without a length
            end += int.from_bytes(data[end : end + 2], "big")
        scans += marker[0][1] == _START_OF_SCAN
        if scans > _MOST_SCANS:
            raise InputError(f"The picture {name} is built from too many layers", _SAVE_AGAIN)
        marker = _JPEG_MARKER.search(data, end)


def _check_dimensions(size: tuple[int, int], name: str, limits: Limits) -> None:
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


def _from_pil(image: Image.Image, limits: Limits) -> Image.Image:
    name = display_name(image)
    _check_dimensions(image.size, name, limits)
    try:
        image.load()
        return _to_upright_rgb(image, name)
    except InputError:
        raise
    except Exception as error:  # the image may come from a damaged file, which is decoded only now
        logger.debug("Pillow on %s: %r", name, error)
        raise InputError(f"The picture {name} is damaged or cut short", _SAVE_AGAIN) from None


def _from_array(array: numpy.typing.NDArray[Any], limits: Limits) -> Image.Image:
    name = display_name(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(f"{name} is not a picture", "Give height × width, or height × width × 3 with the colours last")
    _check_dimensions((array.shape[1], array.shape[0]), name, limits)
    if array.dtype.kind == "f":
        # "not (a and b)" is also true for NaN.
        if not (array.min() >= 0 and array.max() <= 1):
            raise InputError(f"{name} holds floats outside 0…1", "Divide by the largest value, or convert it to uint8")
        array = (array * 255 + 0.5).astype(numpy.uint8)
    if array.dtype != numpy.uint8:
        raise InputError(f"{name} holds {array.dtype} values", "Convert it to uint8, or to floats in 0…1")
    return _to_upright_rgb(Image.fromarray(array), name)


def _to_upright_rgb(image: Image.Image, name: str) -> Image.Image:
    """Convert a decoded image. The result has no orientation and no profile, so a second call changes nothing."""
    orientation = _orientation(image)
    profile = image.info.get("icc_profile")
    if image.mode == "RGB" and orientation not in _UPRIGHT and not profile and not image.has_transparency_data:
        return image
    rgb = _to_rgb(image, profile, name)
    rgb = rgb.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rgb
    rgb = rgb.copy() if rgb is image else rgb
    rgb.info = {}
    return rgb


def _to_upright_mask(image: Image.Image, name: str) -> Image.Image:
    if not image.has_transparency_data:
        return _to_upright_rgb(image, name).convert("L")
    mask = ImageChops.invert(image.convert("RGBA").getchannel("A"))
    if mask.getbbox() is None:
        raise InputError(f"The mask {name} is transparent nowhere", "Make it transparent where to repaint")
    orientation = _orientation(image)
    return mask.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else mask


def _orientation(image: Image.Image) -> int:
    """Return the orientation, as a number of EXIF: 1 is upright. A damaged note counts as upright."""
    try:
        with without_warnings():
            return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF data are damaged more often than pictures
        return 1


def _to_rgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    alpha = None
    if image.mode.startswith("I") or image.mode == "F":
        image, alpha = _to_eight_bits(image, name)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    rgb = _to_srgb(image, profile)
    if alpha is None:
        return rgb
    background = Image.new("RGB", rgb.size, _WHITE)
    background.paste(rgb, mask=alpha)
    return background


def _to_eight_bits(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """Convert grey values of 16 or 32 bits to 8 bits; return a mask too, if one value stands for transparent."""
    values = numpy.asarray(image)
    lowest, highest = values.min(), values.max()
    if image.mode == "F":
        if not (lowest >= 0 and highest <= 1):
            raise InputError(f"The picture {name} holds measured values, not brightness in 0…1", _SAVE_AGAIN)
        grey = (values * 255 + 0.5).astype(numpy.uint8)
    elif lowest < 0 or highest > 65535:
        raise InputError(f"The picture {name} holds measured values, not brightness in 0…65535", _SAVE_AGAIN)
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


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing on standard error why a file is damaged: Pillow raises an exception anyway."""
    folder = Path(PIL.__file__).parent
    for library in [*folder.parent.glob("pillow.libs/libtiff*"), *folder.glob(".dylibs/libtiff*")]:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).TIFFSetErrorHandler(None)
