"""Whether all parts of a JPEG 2000 file are there: its decoder silently fills what is missing."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_CODESTREAM = b"\xff\x4f\xff\x51"
_SIZE, _TILE_PART, _END = 0xFF51, 0xFF90, b"\xff\xd9"
_TILE_PART_HEADER = 12
_BOX_OF_CODESTREAM = b"jp2c"


@dataclass(frozen=True)
class _TilePart:
    """A tile-part.

    Attributes:
        tile: Number of its tile.
        number: Its own number within the tile, from 0.
        count: How many the tile has; 0 if this one doesn't say.
        end: Where it ends in the file.
    """

    tile: int
    number: int
    count: int
    end: int


def whole_jpeg_2000(data: bytes) -> bytes | None:
    """Return a JPEG 2000 file, with its end mark put back if it lacks no more than that; None if a part is missing.

    Args:
        data: The file.
    """
    try:
        start = _start_of_codestream(data)
        place, tiles = _first_tile_part(data, start)
        parts = _tile_parts(data, place)
    except struct.error:  # the file ends within a header
        return None
    if len({part.tile for part in parts}) != tiles or any(part.end > len(data) for part in parts):
        return None
    found: dict[int, set[int]] = {}
    stated: dict[int, int] = {}
    for part in parts:
        found.setdefault(part.tile, set()).add(part.number)
        stated[part.tile] = max(stated.get(part.tile, 0), part.count)
    if any(len(numbers) < max(stated[tile], max(numbers) + 1) for tile, numbers in found.items()):
        return None
    end = parts[-1].end
    return data if data[end : end + 2] == _END else data[:end] + _END


def _start_of_codestream(data: bytes) -> int:
    place = 0
    while data[place : place + 4] != _CODESTREAM:
        length, name = struct.unpack_from(">I4s", data, place)
        header = 8
        if length == 1:
            (length,), header = struct.unpack_from(">Q", data, place + 8), 16
        if name != _BOX_OF_CODESTREAM and length < header:
            raise struct.error("there is no codestream")
        place += header if name == _BOX_OF_CODESTREAM else length
    return place


def _first_tile_part(data: bytes, start: int) -> tuple[int, int]:
    """Return where the first tile-part begins, and how many tiles there are."""
    tiles, place = 0, start + 2
    while True:
        marker, length = struct.unpack_from(">HH", data, place)
        if marker == _TILE_PART:
            return place, tiles
        if marker == _SIZE:
            right, bottom, _, _, width, height, left, top = struct.unpack_from(">8I", data, place + 6)
            if not (width and height and right > left and bottom > top):
                raise struct.error("there are no tiles")
            tiles = -(-(right - left) // width) * -(-(bottom - top) // height)
        place += 2 + length


def _tile_parts(data: bytes, place: int) -> list[_TilePart]:
    parts = []
    while data[place : place + 2] == _TILE_PART.to_bytes(2, "big"):
        _, _, tile, length, number, count = struct.unpack_from(">HHHIBB", data, place)
        if length == 0:  # up to the end mark, which then must be there
            if not data.endswith(_END):
                raise struct.error("the end is missing")
            length = len(data) - len(_END) - place
        parts.append(_TilePart(tile, number, count, place + length))
        place += max(length, _TILE_PART_HEADER)
    return parts
