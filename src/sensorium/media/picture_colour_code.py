"""What a picture's file itself says about its colours, where Pillow doesn't tell: the code points of H.273."""

from __future__ import annotations

import struct
from typing import BinaryIO

from sensorium.media.colour_mapping import ColourCode
from sensorium.media.content import image_format

TELLING = frozenset({"PNG", "AVIF", "HEIC"})
"""Formats that can tell by code points."""

_PNG_SIGNATURE = 8
_MOST_CHUNKS = 100
_HEADERS = 64 << 10
"""Bytes of an AVIF or HEIC file that are searched; what describes the picture stands in front of its pixels."""

_CODE_POINTS = b"colrnclx"
_TONE_MAP = b"tmap"


def read_colour_code(file: BinaryIO) -> ColourCode | None:
    """Return what the numbers of a picture stand for, if its file tells by code points; None if it doesn't.

    If an AVIF or HEIC file holds an ordinary picture and what makes a brighter one of it (a gain map), it tells about
    both; the ordinary picture is read, and None is returned.

    Args:
        file: A picture; it is left at its beginning.
    """
    head = file.read(_HEADERS)
    file.seek(0)
    format = image_format(head)
    if format == "PNG":
        numbers = _png_chunk(file)
        file.seek(0)
        return ColourCode(*numbers[:2]) if len(numbers) == 4 else None
    place = head.find(_CODE_POINTS)
    if format not in TELLING or place < 0 or _TONE_MAP in head or place + 12 > len(head):
        return None
    return ColourCode(*struct.unpack_from(">HH", head, place + len(_CODE_POINTS)))


def _png_chunk(file: BinaryIO) -> bytes:
    """Return the body of the chunk cICP, or nothing."""
    file.seek(_PNG_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        start = file.read(8)
        length, name = int.from_bytes(start[:4], "big"), start[4:]
        if name == b"cICP":
            return file.read(min(length, 4))
        if len(start) < 8 or name in (b"IDAT", b"IEND"):
            break
        file.seek(length + 4, 1)
    return b""
