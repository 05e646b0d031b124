"""Reads any supported file as an upright RGB picture, and writes a picture to a file with its metadata."""

from __future__ import annotations

import ctypes
import io
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy
import numpy.typing
import PIL
from PIL import Image, ImageChops, ImageStat
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.colour_mapping import ColourCode
from sensorium.media.content import image_format
from sensorium.media.jpeg_2000_parts import whole_jpeg_2000
from sensorium.media.jpeg_end import scans_of, with_end
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import display_name
from sensorium.media.picture_colour_code import TELLING, read_colour_code
from sensorium.media.picture_colours import to_rgb
from sensorium.media.picture_formats import SAVE_AGAIN, check_dimensions, damaged, open_picture
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.quiet import without_warnings

logger = logging.getLogger(__name__)

ImageSource: TypeAlias = Image.Image | numpy.typing.NDArray[Any] | MediaSource
"""A PIL image, an array (see `read_image`), or anything that `resolve` takes."""

DEFAULT_QUALITY = 95
"""Of JPEG and WebP files: the eye sees no loss."""

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
_MOST_SCANS = 100
_CHECKED = frozenset({"JPEG", "JPEG2000"})
"""Their decoders don't tell, or can't, whether the whole picture is there."""

_ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
_PLAIN, _SHOWS_SOMETHING = 4, 25
"""Standard deviations, in levels of the channel that varies most: of a picture that looks like a single colour, and of
one that surely shows something."""
_WRITERS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def as_list(image: ImageSource | Sequence[ImageSource]) -> list[ImageSource]:
    """Return a list of images, whether one or several were given."""
    return list(image) if isinstance(image, (list, tuple)) else [cast("ImageSource", image)]


def read_image(source: ImageSource, *, minimum_side: int | None = None, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Read a picture as upright 8-bit RGB in the sRGB colour space.

    The picture is turned as the camera noted, its colour profile is converted, and a high dynamic range is compressed.
    Transparent parts become white; or black or grey, if what is in front would vanish on white. If the file is an
    animation or has several pages, the first picture is read; of an animation that begins with a single colour, the
    first that shows something. Size limits are checked before any pixel is decoded. A damaged or incomplete file is
    refused, and missing parts are never filled with grey; a file that lacks nothing but its end mark is read.

    Args:
        source: A JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or JPEG 2000 file, or with the package pillow-heif a HEIC file,
            or with pillow-jxl-plugin a JPEG XL file; as path, address, data: URI, bytes or open file. Or a PIL image;
            or an array of shape (height, width), (height, width, 3) or (height, width, 4), of uint8 or of floats in
            0…1.
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
            transparent parts become white, or dark if the picture itself is white.
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


_Convert: TypeAlias = Callable[[Image.Image, str, ColourCode | None], Image.Image]


def _read_file(source: MediaSource, minimum_side: int | None, limits: Limits, convert: _Convert) -> Image.Image:
    media = resolve(source, limits=limits)
    try:
        if image_format(media.head) == "TIFF":
            _silence_libtiff()
        with media.open() as file, without_warnings():
            return _decode(media, file, minimum_side, limits, convert)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"The picture {media.name} doesn't fit into memory", "Make it smaller") from None
    except Exception as error:  # for damaged files, Pillow's readers raise errors of many kinds
        logger.debug("Pillow on %s: %r", media.name, error)
        raise damaged(media.name) from None


def _decode(
    media: ResolvedMedia, file: BinaryIO, minimum_side: int | None, limits: Limits, convert: _Convert
) -> Image.Image:
    image = open_picture(media, file, limits)
    if image.format in _CHECKED:
        image = type(image)(io.BytesIO(_whole(media)))
    code = _colour_code(media, image)
    if minimum_side is not None:
        image.draft("", (minimum_side, minimum_side))
    image.load()
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        return _first_that_shows_something(image, lambda: convert(image, media.name, code), limits)
    converted = convert(image, media.name, code)
    return _without_file(image) if converted is image else converted


def _whole(media: ResolvedMedia) -> bytes:
    """Return a JPEG or JPEG 2000 file, which was given its end mark if it lacks no more than that.

    A JPEG with thousands of scans of the whole picture is refused: it is small, but decoding it takes hours.
    """
    data: bytes | None = media.read()
    assert data is not None
    if image_format(media.head) == "JPEG 2000":
        data = whole_jpeg_2000(data)
    else:
        scans = scans_of(data, _MOST_SCANS)
        if scans.count > _MOST_SCANS:
            raise InputError(f"The picture {media.name} is built from too many layers", SAVE_AGAIN)
        data = data if scans.ended else with_end(data, scans)
    if data is None:
        raise damaged(media.name)
    return data


def _colour_code(media: ResolvedMedia, image: ImageFile) -> ColourCode | None:
    """Return what a picture's numbers stand for, unless a profile tells it or they are ordinary ones."""
    if image_format(media.head) not in TELLING:
        return None
    with media.open() as file:
        code = read_colour_code(file)
    overruled = image.format != "PNG" and image.info.get("icc_profile")
    return None if code is None or code.is_ordinary or overruled else code


def _first_that_shows_something(image: ImageFile, converted: Callable[[], Image.Image], limits: Limits) -> Image.Image:
    """Return the first picture of an animation; or a later one if the first is of a single colour, as in a fade-in.

    No more pixels are decoded than the largest picture may have.
    """
    best = converted().copy()
    most, left = _variation(best), limits.max_pixels
    if most < _PLAIN:
        with suppress(Exception):  # there are no more pictures, or the next one is damaged
            while most < _SHOWS_SOMETHING and left > 0:
                image.seek(image.tell() + 1)
                left -= image.width * image.height
                found = converted()
                if _variation(found) > most:
                    best, most = found.copy(), _variation(found)
    best.info = {}
    return best


def _variation(image: Image.Image) -> float:
    return max(ImageStat.Stat(image).stddev)


def _without_file(image: ImageFile) -> Image.Image:
    """Separate a decoded picture from its file and its notes (place, camera), so that these can be freed."""
    image.info = {}
    if isinstance(image, (JpegImageFile, PngImageFile)):
        image.fp = None  # nothing else holds the file, and copying a large photo costs much time and memory
        return image
    return image.copy()


def _from_pil(image: Image.Image, limits: Limits) -> Image.Image:
    name = display_name(image)
    check_dimensions(image.size, name, limits)
    try:
        image.load()
        return _to_upright_rgb(image, name)
    except InputError:
        raise
    except Exception as error:  # the image may come from a damaged file, which is decoded only now
        logger.debug("Pillow on %s: %r", name, error)
        raise damaged(name) from None


def _from_array(array: numpy.typing.NDArray[Any], limits: Limits) -> Image.Image:
    name = display_name(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(f"{name} is not a picture", "Give height × width, or height × width × 3 with the colours last")
    check_dimensions((array.shape[1], array.shape[0]), name, limits)
    if array.dtype.kind == "f":
        # "not (a and b)" is also true for NaN.
        if not (array.min() >= 0 and array.max() <= 1):
            raise InputError(f"{name} holds floats outside 0…1", "Divide by the largest value, or convert it to uint8")
        array = (array * 255 + 0.5).astype(numpy.uint8)
    if array.dtype != numpy.uint8:
        raise InputError(f"{name} holds {array.dtype} values", "Convert it to uint8, or to floats in 0…1")
    return _to_upright_rgb(Image.fromarray(array), name)


def _to_upright_rgb(image: Image.Image, name: str, code: ColourCode | None = None) -> Image.Image:
    """Convert a decoded image. The result has no orientation and no profile, so a second call changes nothing."""
    orientation = _orientation(image)
    profile = image.info.get("icc_profile")
    ordinary = image.mode == "RGB" and not profile and code is None and not image.has_transparency_data
    if ordinary and orientation not in _UPRIGHT:
        return image
    rgb = to_rgb(image, profile, name, code)
    rgb = rgb.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rgb
    rgb = rgb.copy() if rgb is image else rgb
    rgb.info = {}
    return rgb


def _to_upright_mask(image: Image.Image, name: str, code: ColourCode | None) -> Image.Image:
    if not image.has_transparency_data:
        return _to_upright_rgb(image, name, code).convert("L")
    mask = ImageChops.invert(image.convert("RGBA").getchannel("A"))
    if mask.getbbox() is None:
        raise InputError(f"The mask {name} is transparent nowhere", "Make it transparent where to repaint")
    orientation = _orientation(image)
    return mask.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else mask


def _orientation(image: Image.Image) -> int:
    """Return the orientation, as a number of EXIF: 1 is upright. A damaged note counts as upright."""
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1  # libjxl turns the picture as the codestream says, which the note only repeats
    try:
        with without_warnings():
            return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF data are damaged more often than pictures
        return 1


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing on standard error why a file is damaged: Pillow raises an exception anyway."""
    folder = Path(PIL.__file__).parent
    for library in [*folder.parent.glob("pillow.libs/libtiff*"), *folder.glob(".dylibs/libtiff*")]:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).TIFFSetErrorHandler(None)
