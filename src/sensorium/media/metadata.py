"""Reads the texts that `write_image` has written into a picture file."""

from __future__ import annotations

import json

import PIL.Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from sensorium.errors import InputError
from sensorium.media.content import image_format
from sensorium.media.naming import display_name
from sensorium.media.source import MediaSource, resolve

_IMAGE_DESCRIPTION = 0x010E
_READERS = {"PNG": PngImageFile, "JPEG": JpegImageFile, "WEBP": WebPImageFile}


def read_metadata(source: PIL.Image.Image | MediaSource) -> tuple[dict[str, str], str]:
    """Return the texts in a picture file, and the picture's name for messages; no pixels are decoded.

    Args:
        source: A PNG, JPEG or WebP file as path, address, data: URI, bytes or open file; or a PIL image that was opened
            from such a file.

    Returns:
        A dict from name to text, and the name. The texts are those of a PNG, or the JSON object in the EXIF image
        description of JPEG and WebP; the dict is empty if there are none.

    Raises:
        InputError: The source can't be read or is damaged.
    """
    if isinstance(source, PIL.Image.Image):
        return _texts(source), f"picture {display_name(source)}"
    media = resolve(source)
    name = f"picture {media.name}"
    reader = _READERS.get(image_format(media.head) or "")
    if reader is None:
        return {}, name
    with media.open() as file:
        try:
            return _texts(reader(file)), name
        except Exception:  # for damaged files, Pillow's readers raise errors of many kinds
            raise InputError(f"The {name} is damaged or cut short", "Save it again as PNG or JPEG") from None


def _texts(image: PIL.Image.Image) -> dict[str, str]:
    description = image.getexif().get(_IMAGE_DESCRIPTION, "")
    try:
        described = json.loads(description)
    except (ValueError, TypeError):
        described = None
    found = image.info if not isinstance(described, dict) else described
    return {name: text for name, text in found.items() if isinstance(name, str) and isinstance(text, str)}
