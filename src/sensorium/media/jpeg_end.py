"""The end of a JPEG file: whether every pixel is there although the file breaks off, and how many layers there are."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass, field

import numpy
from PIL.JpegImagePlugin import JpegImageFile

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # FF 00 and FF D0…D7 are part of a scan
_START_OF_SCAN, _END_OF_IMAGE, _TEMPORARY = 0xDA, 0xD9, 0x01
_START_OF_FRAME = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xCB})
_END = b"\xff\xd9"
_COEFFICIENTS = 64
_FILLINGS = (b"\xaa" * 256, b"\x55" * 256)
"""Two kinds of bytes, enough for the largest block, that decode to different pixels where a file lacks any."""

_UNWRITTEN = b"\0" * 16
"""So many zeros at the end were never written by a camera; the file was given its size before it was fetched."""


@dataclass
class JpegScans:
    """What the scans of a JPEG file hold.

    Attributes:
        count: How many scans there are.
        ended: Whether the mark is there that ends the file.
    """

    count: int = 0
    ended: bool = False
    _lacking: dict[int, set[int]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether scans have begun for all there is to know of each colour: a progressive file has many."""
        return bool(self._lacking) and not any(self._lacking.values())

    def add(self, marker: int, body: bytes) -> None:
        """Take note of what stands behind a marker."""
        if marker in _START_OF_FRAME:
            self._lacking = {part: set(range(_COEFFICIENTS)) for part in body[6 : 6 + 3 * body[5] : 3]}
        elif marker == _START_OF_SCAN:
            self.count += 1
            first, last, depth = body[-3:]
            if depth & 0xF == 0:
                for part in body[1 : 1 + 2 * body[0] : 2]:
                    self._lacking.get(part, set()).difference_update(range(first, last + 1))


def scans_of(data: bytes, most: int) -> JpegScans:
    """Go through a JPEG file from mark to mark, up to its end or to more scans than ``most``; nothing is decoded."""
    scans, marker = JpegScans(), _MARKER.search(data, 2)
    while marker is not None and scans.count <= most:
        number, end = marker[0][1], marker.end()
        if number == _END_OF_IMAGE:
            scans.ended = True
            break
        if number != _TEMPORARY:  # the only other marker without a length
            length = int.from_bytes(data[end : end + 2], "big")
            if (number in _START_OF_FRAME or number == _START_OF_SCAN) and length > 2:
                body = data[end + 2 : end + length]
                if len(body) < (6 if number in _START_OF_FRAME else 3):
                    break
                scans.add(number, body)
            end += length
        marker = _MARKER.search(data, end)
    return scans


def with_end(data: bytes, scans: JpegScans) -> bytes | None:
    """Return a JPEG file that lacks its end with the end put back if every pixel is there, and None otherwise.

    What the file holds of the last pixels can't be counted without decoding. So it is decoded with two different
    continuations: where anything of a pixel is missing, it is made from the continuation, and differs.
    """
    if not scans.complete:
        return None
    if data.endswith(_UNWRITTEN):
        data = data.rstrip(b"\0")
    elif data.endswith(b"\xff"):
        data = data[:-1]
    one, other = (_pixels(data + filling + _END) for filling in _FILLINGS)
    mended = data + _END
    return mended if one == other == _pixels(mended) else None


def _pixels(data: bytes) -> bytes:
    """Return a digest of the pixels: three large pictures at once would take much memory."""
    with JpegImageFile(io.BytesIO(data)) as image:
        image.load()
        return hashlib.blake2b(numpy.ascontiguousarray(image).data).digest()
