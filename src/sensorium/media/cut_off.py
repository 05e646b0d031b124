"""Files that were cut off, as a stopped download is: what they say about themselves, and what is there."""

from __future__ import annotations

import os
from typing import BinaryIO

from sensorium.media.container import OpenMedia, open_media, packets

_UNKNOWN = 0x7FFF_0000
"""Sizes from here on stand for "unknown": programs write them that record into a pipe."""

_LARGEST_PAGE = 65_307
"""Bytes of a page of Ogg; a packet of an MPEG program stream is hardly larger."""

_FIRST_WITH_LENGTH = 0xBC
"""Packets of a program stream that are numbered from here on state their length."""

_LAST_PAGE = 4
_MPEG_PACKET = 188
_SYNC = 0x47
_W64_HEAD = 16
_MOST_CHUNKS = 10_000


def is_cut_off(media: OpenMedia) -> bool:
    """Return whether a file that states no duration is shorter than it says, or lacks the mark of its end.

    WAV, AVI, Wave64, CAF and the parts of an MP4 state their size in bytes, packets of an MPEG
    program stream state theirs, those of a transport stream have all one size, and Ogg marks its last page.
    """
    with media.source.open() as file:
        head = media.source.head
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
            return _is_short_riff(file, head)
        if head[:4] == b"riff":
            return int.from_bytes(head[_W64_HEAD : _W64_HEAD + 8], "little") > media.source.size
        if head[:4] == b"caff":
            return _is_short_caf(file)
        if head[4:8] == b"ftyp":
            return _is_short_mp4(file)
        if head[:4] == b"\0\0\1\xba":
            return _is_short_program_stream(file)
        if head[:1] == head[_MPEG_PACKET : _MPEG_PACKET + 1] == bytes([_SYNC]):
            return media.source.size % _MPEG_PACKET != 0
        return head[:4] == b"OggS" and not _has_last_page(file)


def ends_early(media: OpenMedia) -> bool:
    """Return whether no track of a file reaches the duration that its header states."""
    stated = media.stated_duration
    if stated is None:
        return False
    reached = media.start
    with open_media(media.source, limits=media.limits, cancel=media.cancel) as again:
        tracks = [*again.container.streams.video, *again.container.streams.audio]
        for packet in packets(again, tracks, lambda: None):
            if packet.pts is not None and packet.time_base is not None:
                reached = max(reached, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return reached - media.start < least_end(stated)


def breaks_off(what: str, reached: float, stated: float | None) -> str:
    """Return the sentence that says so.

    Args:
        what: The name of the file, or "The sound of" it.
        reached: Its last second.
        stated: The second at which it ends by its header, if that tells.
    """
    of = f" of {stated:.0f}" if stated is not None and reached < least_end(stated) else ""
    return f"{what} breaks off at second {reached:.0f}{of}; the rest is missing"


def least_end(stated: float) -> float:
    """Return the second that a file which states a duration reaches if nothing is missing: headers are inexact."""
    return stated - max(1.0, 0.01 * stated)


def _is_short_riff(file: BinaryIO, head: bytes) -> bool:
    if head[:4] in (b"RF64", b"BW64"):
        stated = int.from_bytes(head[20:28], "little")  # in the chunk ds64, which comes first
    else:
        stated = int.from_bytes(head[4:8], "big" if head[:4] == b"RIFX" else "little")
        if stated >= _UNKNOWN:
            return False
    return 8 + stated > file.seek(0, os.SEEK_END)


def _is_short_caf(file: BinaryIO) -> bool:
    place, end = 8, file.seek(0, os.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        if place >= end:
            break
        file.seek(place)
        size = int.from_bytes(file.read(12)[4:], "big", signed=True)
        if size < 0:
            return False  # it reaches to the end, wherever that is
        place += 12 + size
    return place > end


def _is_short_mp4(file: BinaryIO) -> bool:
    place, end = 0, file.seek(0, os.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        if place + 8 > end:
            break
        file.seek(place)
        start = file.read(16)
        size = int.from_bytes(start[:4], "big")
        size = int.from_bytes(start[8:], "big") if size == 1 else size
        if size < 8:
            return False  # 0 reaches to the end, wherever that is
        place += size
    return place > end


def _is_short_program_stream(file: BinaryIO) -> bool:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 2 * _LARGEST_PAGE))
    data = file.read()
    packet = data.rfind(b"\0\0\1")
    while packet >= 0 and (len(data) < packet + 6 or data[packet + 3] < _FIRST_WITH_LENGTH):
        packet = data.rfind(b"\0\0\1", 0, packet)
    length = int.from_bytes(data[packet + 4 : packet + 6], "big")
    return packet >= 0 and packet + 6 + length > len(data)


def _has_last_page(file: BinaryIO) -> bool:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 2 * _LARGEST_PAGE))
    data = file.read()
    page = data.rfind(b"OggS")
    while page >= 0 and len(data) < page + 27:
        page = data.rfind(b"OggS", 0, page)
    if page < 0:
        return False
    lengths = data[page + 27 : page + 27 + data[page + 26]]
    return bool(data[page + 5] & _LAST_PAGE) and len(data) >= page + 27 + data[page + 26] + sum(lengths)
