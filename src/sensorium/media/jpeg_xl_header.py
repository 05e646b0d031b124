"""The size of a JPEG XL picture, read from its header as ISO/IEC 18181 describes it."""

from __future__ import annotations

_CODESTREAM = b"\xff\x0a"
_SIGNATURE = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_PART_NUMBER = 4
_WIDTHS = (9, 13, 18, 30)
"""How many bits a side may take."""

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def jpeg_xl_size(data: bytes) -> tuple[int, int]:
    """Return the width and height that a file states.

    Args:
        data: The file.

    Raises:
        ValueError: There is no such header.
    """
    bits = _Bits(_codestream(data))
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio:
        over, under = _RATIOS[ratio - 1]
        return height * over // under, height
    return _side(bits, small), height


def _side(bits: _Bits, small: int) -> int:
    if small:
        return (bits.take(5) + 1) * 8
    return bits.take(_WIDTHS[bits.take(2)]) + 1


class _Bits:
    """Takes numbers from bytes, the lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the header is cut short")
        taken = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return taken


def _codestream(data: bytes) -> bytes:
    """Return the first bytes behind the codestream's mark: in the file itself, or in a box of a container."""
    place = 0
    if data.startswith(_SIGNATURE):
        place = _first_box(data)
    if data[place : place + 2] != _CODESTREAM:
        raise ValueError("there is no picture")
    return data[place + 2 : place + 18]


def _first_box(data: bytes) -> int:
    place = 0
    while place + 8 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        header = 8
        if length == 1:
            length, header = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        if name == b"jxlc":
            return place + header
        if name == b"jxlp":
            return place + header + _PART_NUMBER
        if length < header:
            break
        place += length
    raise ValueError("there is no picture")
