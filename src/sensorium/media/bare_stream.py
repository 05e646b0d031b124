"""Sound without a container (MP3, AAC, AC-3, AMR): it has no timestamps, so damaged parts are timed by their bytes."""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any, BinaryIO

from sensorium.media.container import OpenMedia, decode_packet, open_media, packets

BARE = frozenset({"mp3", "aac", "ac3", "amr"})
"""Files without a container: FFmpeg only guesses their length from the bit rate, and a seek lands near its goal."""

_LARGEST = {"mp3": 1729, "aac": 8191, "ac3": 4096, "amr": 64}
"""Bytes that a frame has at most. FFmpeg gives bytes that belong to no frame as packets too, which are larger."""

_FEWEST = 5
"""Fewer frames than this between two damaged parts are bytes that only look like frames."""

_LIKELY = 2.0
"""By which factor a damaged part may be longer or shorter than its bytes suggest, if the file's length says so."""

_NOTES = (b"ID3", b"TAG", b"APETAGEX")
_SIGNATURE = 16
_CHUNK = 1 << 20


class BareStream:
    """A stream without a container, decoded from its beginning.

    Args:
        media: The open file.
        stream: Its stream.
        on_damage: Called for each part that could not be read or decoded, and for a last frame that is incomplete.

    Attributes:
        delay: By how many seconds the frame that was yielded last comes later than FFmpeg counts, because of what is
            damaged before it. The frame's own time takes it into account.
    """

    def __init__(self, media: OpenMedia, stream: Any, on_damage: Callable[[], None]) -> None:
        self.delay = 0.0
        self._media = media
        self._stream = stream
        self._on_damage = on_damage
        self._losses: _Losses | None = None

    def decode(self, not_before: float | None = None) -> Generator[Any, None, None]:
        """Yield PyAV frames from the container's current position, which must be the beginning.

        Args:
            not_before: Packets before this time, in seconds on the file's own clock, are skipped without decoding.
        """
        before = last = b""
        if not_before is not None:
            self._find_losses()
        for number, packet in enumerate(packets(self._media, [self._stream], self._on_damage)):
            if packet.size:
                before, last = last, bytes(packet)
            if not_before is None or self._time(number, packet) >= not_before:
                yield from self._frames(number, packet)
        if before and not self._is_whole(last, before):
            self._on_damage()

    def _frames(self, number: int, packet: Any) -> Iterator[Any]:
        failures: list[None] = []
        frames = decode_packet(packet, partial(failures.append, None))
        if failures or packet.size > _LARGEST[self._media.container.format.name]:
            self._find_losses()
        if self._losses is not None and number in self._losses.packets:
            if number in self._losses.damaged:
                self._on_damage()
            return
        if failures:
            self._on_damage()
        self.delay = self._delay_of(number)
        for frame in frames:
            if frame.pts is not None:
                frame.pts += round(self.delay / frame.time_base)
            yield frame

    def _time(self, number: int, packet: Any) -> float:
        """Return when a packet is heard; the empty one at the end, which has no time, is never skipped."""
        return math.inf if packet.pts is None else float(packet.pts * packet.time_base) + self._delay_of(number)

    def _delay_of(self, number: int) -> float:
        return 0.0 if self._losses is None else self._losses.delay(number)

    def _find_losses(self) -> None:
        """Look through the whole file for damaged parts; this is done once, and not in files that are whole."""
        if self._losses is None:
            with (
                open_media(self._media.source, limits=self._media.limits, cancel=self._media.cancel) as again,
                self._media.source.open() as file,
            ):
                stream = again.sound_track()
                pieces = list(_pieces(again, stream, file))
                self._losses = _losses(pieces, _LARGEST[again.container.format.name], _stated(stream), file)

    def _is_whole(self, frame: bytes, other: bytes) -> bool:
        """Return whether FFmpeg's parser takes the bytes of a frame for a whole one, if another frame follows."""
        import av

        parser = av.CodecContext.create(self._stream.codec_context.codec.canonical_name, "r")
        parsed = parser.parse(frame + other)
        return not parsed or parsed[0].size == len(frame)


@dataclass(frozen=True)
class _Losses:
    """What is damaged in a stream.

    Attributes:
        packets: Numbers of the packets that are no frames.
        damaged: Those among them that were frames once; the others are notes, such as the title of the next song.
        ends: For each damaged part the number of the first packet after it, in ascending order.
        delays: By how many seconds the packets after each of them come later than FFmpeg counts.
    """

    packets: frozenset[int]
    damaged: frozenset[int]
    ends: tuple[int, ...]
    delays: tuple[float, ...]

    def delay(self, number: int) -> float:
        """Return by how many seconds a packet comes later than FFmpeg counts."""
        place = bisect_right(self.ends, number)
        return self.delays[place - 1] if place else 0.0


@dataclass(frozen=True)
class _Piece:
    """A packet: its number, its place in the file, the seconds that FFmpeg counts for it, and whether a note begins."""

    number: int
    start: int
    size: int
    seconds: float
    is_note: bool

    @property
    def end(self) -> int:
        return self.start + self.size


def _pieces(media: OpenMedia, stream: Any, file: BinaryIO) -> Iterator[_Piece]:
    """Yield the packets of a stream with their places in the file: FFmpeg leaves out bytes without saying so."""
    known, place = True, 0
    for number, packet in enumerate(packets(media, [stream], lambda: None)):
        if packet.size:
            begin = bytes(packet)[:_SIGNATURE]
            found = _find(file, begin, place) if known else None
            known, place = found is not None, place if found is None else found
            seconds = float((packet.duration or 0) * packet.time_base)
            yield _Piece(number, place, packet.size, seconds, begin.startswith(_NOTES))
            place += packet.size


def _find(file: BinaryIO, signature: bytes, place: int) -> int | None:
    """Return where bytes stand in a file, at ``place`` or after it; None if nowhere."""
    start, size = place, len(signature)
    while True:
        file.seek(start)
        chunk = file.read(size)
        if chunk == signature:
            return start
        chunk += file.read(_CHUNK)
        found = chunk.find(signature)
        if found >= 0:
            return start + found
        if len(chunk) <= size:
            return None
        start += len(chunk) - size + 1


def _losses(pieces: Sequence[_Piece], largest: int, stated: float | None, file: BinaryIO) -> _Losses:
    runs = _runs(pieces, largest, file)
    frames = {piece.number for run in runs for piece in run}
    gaps = [(before[-1], after[0]) for before, after in pairwise(runs)]
    noted = [_after_notes(file, before.end, after.start) for before, after in gaps]
    sizes = [after.start - end for (_, after), end in zip(gaps, noted, strict=True)]
    rate = _seconds_a_byte([piece for run in runs for piece in run], sum(sizes), stated)
    frame = Counter(piece.seconds for piece in pieces).most_common(1)[0][0] if pieces else 0.0
    notes: set[int] = set()
    ends, delays, delay = [], [], 0.0
    for (before, after), end, size in zip(gaps, noted, sizes, strict=True):
        between = pieces[before.number + 1 : after.number]
        lost = round(size * rate / frame) * frame if frame else size * rate
        delay += lost - sum(piece.seconds for piece in between)
        ends.append(after.number)
        delays.append(delay)
        # FFmpeg doesn't find the first frame after notes, or the first one is a note itself.
        if end > before.end and size <= largest:
            notes.update(piece.number for piece in between)
    others = frozenset(piece.number for piece in pieces) - frames
    return _Losses(others, others - notes, tuple(ends), tuple(delays))


def _runs(pieces: Sequence[_Piece], largest: int, file: BinaryIO) -> list[list[_Piece]]:
    """Return the frames of a stream: those that follow each other without anything between them, run by run."""
    most = max(largest, 2 * median(piece.size for piece in pieces)) if pieces else largest
    runs: list[list[_Piece]] = []
    notes_end = 0
    for piece in pieces:
        if piece.is_note:
            notes_end = _after_notes(file, piece.start, sys.maxsize)
        if piece.size > most or piece.start < notes_end:
            continue
        if runs and runs[-1][-1].end == piece.start:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [run for place, run in enumerate(runs) if len(run) >= _FEWEST or place in (0, len(runs) - 1)]


def _seconds_a_byte(frames: Sequence[_Piece], damaged: int, stated: float | None) -> float:
    """Return how many seconds a damaged byte stands for: as the stated length says, or as in the other frames."""
    size = sum(frame.size for frame in frames)
    seconds = sum(frame.seconds for frame in frames)
    mean = seconds / size if size else 0.0
    if stated is not None and damaged:
        exact = (stated - seconds) / damaged
        if mean / _LIKELY <= exact <= mean * _LIKELY:
            return exact
    return mean


def _stated(stream: Any) -> float | None:
    """Return how long all frames of an MP3 last that states their number; one that does states a delay, too."""
    if stream.duration is None or not stream.start_time:
        return None
    return float((stream.duration + stream.start_time) * stream.time_base)


def _after_notes(file: BinaryIO, start: int, end: int) -> int:
    """Return the place after the notes (ID3, APE) that stand between frames where files were joined."""
    while start < end:
        file.seek(start)
        head = file.read(32)
        if head[:3] == b"ID3" and len(head) >= 10:
            size = 10 + sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(head[6:10])))
        elif head[:8] == b"APETAGEX":
            size = 32 + int.from_bytes(head[12:16], "little")
        elif head[:3] == b"TAG":
            size = 128
        else:
            break
        start += size
    return min(start, end)
