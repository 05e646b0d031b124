"""The notes in WAV and AVI files: how long they say they are."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

LARGEST_NOTES = 16 << 20
"""Bytes; FFmpeg takes as much memory as a note says, up to 2 GB, before it looks how much of it is there."""

_MOST_CHUNKS = 100_000
_BEGINNING = 12
_WITH_LONG_SIZES = (b"RF64", b"BW64")


def has_false_notes(file: BinaryIO, head: bytes) -> bool:
    """Return whether a RIFF file says that it has more notes (title, author, …) than any has.

    Chunks are looked through as FFmpeg does it; those whose content FFmpeg reads as chunks too are the lists of AVI.

    Args:
        file: The file; it may stand anywhere, and stands anywhere afterwards.
        head: Its first bytes.
    """
    kind, form = head[:4], head[8:_BEGINNING]
    if kind not in (b"RIFF", b"RIFX", b"ON2 ", *_WITH_LONG_SIZES):
        return False
    order = ">I" if kind == b"RIFX" else "<I"
    real_size = 0
    place, end = _BEGINNING, file.seek(0, os.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        if place + 12 > end:
            return False
        file.seek(place)
        start = file.read(24)
        name, size = start[:4], struct.unpack(order, start[4:8])[0]
        inside = start[8:12]
        if name == b"ds64" and len(start) == 24:
            real_size = struct.unpack("<Q", start[16:24])[0]
        if name == b"LIST" and inside == b"INFO" and size > LARGEST_NOTES:
            return True
        if name == b"LIST" and inside != b"INFO" and form != b"WAVE":
            if inside == b"movi":
                return False
            place += 12
            continue
        if name == b"data" and kind in _WITH_LONG_SIZES:
            size = real_size
        place += 8 + size + (size & 1)
    return False
