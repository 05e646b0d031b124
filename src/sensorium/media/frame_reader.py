"""Finds the exact frame of a film at a given time, and decodes no more of the film than necessary."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sensorium.errors import InputError
from sensorium.media.container import (
    LARGEST_FRAME,
    REMEDY,
    OpenMedia,
    WarningCallback,
    decode_packet,
    packets,
    seek,
    warn,
)
from sensorium.media.cut_off import breaks_off, is_cut_off, least_end
from sensorium.media.damaged_gaps import DamagedGaps
from sensorium.progress import ProgressCallback, report
from sensorium.threads import thread_count

_ROUNDING = 0.0005
"""Seconds. Some containers round timestamps to milliseconds; so a frame that starts up to half a millisecond after the
wanted time counts as shown."""

_SEEK_COST = 6
"""A seek takes about as long as decoding this many frames, because frames inside the decoder are lost."""

_NEAR = 3
"""How many frames before the wanted one are decoded in full. It is a safety margin for uneven frame durations."""

_INDEXED = frozenset({"mov", "matroska", "avi"})
"""Containers with a reliable index of the points where decoding can begin. For other containers FFmpeg builds an index
only while it reads."""

_LONG = 1.0
"""Seconds without a frame that may be damage; a picture that doesn't change is stored less often, too."""

_FEW = 32
"""The frame that is shown first is among this many packets at the beginning; no codec reorders frames further."""

_MOST_DUE = 1024
"""For how many frames inside the decoder the reader remembers timestamps; far more than any codec keeps."""


@dataclass(frozen=True)
class TimedFrame:
    """A decoded frame.

    Attributes:
        frame: PyAV's frame.
        ticks: When it appears, in units of the stream's time base.
    """

    frame: Any
    ticks: int


class FrameReader:
    """Finds the frames that a film shows at increasing times.

    To decode a frame, the reader goes to the last point before the frame where decoding can begin (a key frame). If the
    reader has already passed that point, it continues from its current position instead. On the way, the decoder skips
    frames that no other frame is predicted from.

    Args:
        media: The open file.
        on_warning: Called with one sentence if a part of the film is missing or damaged.
        progress: Told the second of the film that was reached, about once per second of the film.

    Attributes:
        stream: PyAV's stream.
        tick: Length of one unit of the stream's timestamps, in seconds.
        first: Timestamp of the first frame.
        last: Timestamp of the last frame.
        end: Timestamp at which the last frame ends.
        duration: Length of the film in seconds: the longer one of picture and sound.

    Raises:
        InputError: There is no moving picture, the pictures are too large, or the film is too long.
    """

    def __init__(
        self,
        media: OpenMedia,
        on_warning: WarningCallback | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        self.media = media
        self.stream = media.pictures()
        self._context = self.stream.codec_context
        limits = media.limits
        check_size(self._context.width, self._context.height, media)
        self._context.options = {**self._context.options, "max_pixels": str(min(limits.max_pixels, LARGEST_FRAME))}
        self.stream.thread_type = "AUTO"
        self._context.thread_count = min(thread_count(), 16)
        self._on_warning = on_warning
        self._progress = progress
        self._reported = -1
        self._damaged = False
        self._gaps = DamagedGaps(media, self.stream.index)
        self.tick = float(self.stream.time_base)
        rate = float(self.stream.average_rate or self.stream.guessed_rate or 25)
        self._per_frame = max(1, round(1 / rate / self.tick))
        kind = media.container.format.name.partition(",")[0]
        # AVI has no presentation times. Frames come out of the decoder in their order, a few packets after they went
        # in.
        self._in_turn = kind == "avi"
        self._delay = 0
        self._may_skip = not self._in_turn
        entries = self.stream.index_entries
        self._indexed = kind in _INDEXED and len(entries) > 0
        # Two kinds of file can't be searched. In an MPEG program stream most frames have no timestamp, so their times
        # are counted from the beginning. In an AVI file that was cut off, the index is missing.
        complete = self._indexed and entries[-1].timestamp >= 0.9 * (self.stream.duration or 0)
        self._searchable = complete if kind == "avi" else kind != "mpeg"
        self._longest_group = 0
        self._forget()
        self.first = self._find_first()
        self.last, self.end, self.duration = self._find_end()
        if self._in_turn:
            self._delay = self._find_delay()
        if self.duration > limits.max_duration:
            raise InputError(
                f"The film {media.name} is longer than {limits.max_duration:g} seconds", "Cut it into parts"
            )

    def ticks_at(self, seconds: float) -> int:
        """Return the latest timestamp at or before a time in seconds from the beginning of the film."""
        tolerance = min(_ROUNDING, self.tick / 2)
        return int((seconds + self.media.start + tolerance) // self.tick)

    def seconds(self, ticks: int) -> float:
        """Return a timestamp's time in seconds from the beginning of the film."""
        return max(0.0, ticks * self.tick - self.media.start)

    def frame_at(self, ticks: int) -> TimedFrame:
        """Return the last frame that appears at ``ticks`` or before; the film's first frame if there is none.

        This is fast if calls come in the order of time.

        Returns:
            The frame; if it is damaged, a frame beside it.

        Raises:
            InputError: Nothing can be decoded.
        """
        ticks = max(ticks, self.first)
        if self._shown is None or ticks < self._shown.ticks or self._worth_seeking(ticks):
            self._start_at(ticks)
        found, missed = self._advance(ticks, skip=self._may_skip)
        if missed:
            self._may_skip = False  # uneven durations: the safety margin was too short, and may be again
            self._start_at(ticks)
            found, _ = self._advance(ticks, skip=False)
        while found is None and self._began > self.first:
            # A frame that is stored after a key frame but shown before it needs the previous group of pictures too.
            self._start_at(self._began - 1)
            found, _ = self._advance(ticks, skip=False)
        found = found or self._ahead
        if found is None:
            raise InputError(f"No frame of {self.media.name} can be decoded", "Choose another file, or fetch it again")
        return found

    def frames(self, first: int, last: int) -> Iterator[TimedFrame]:
        """Yield every frame from one timestamp to another, in the order of time."""
        self._start_at(first)
        while (frame := self._next_frame(last, skip=False)) is not None and frame.ticks <= last:
            if frame.ticks >= first:
                yield frame

    def report_damage(self) -> None:
        """Warn if a part of the film is damaged. Called once, after all wanted frames were read."""
        if self._damaged:
            warn(self._on_warning, f"A part of the film {self.media.name} is damaged; frames near it may be wrong")

    def _note_damage(self) -> None:
        self._damaged = True

    # Where the film begins and ends

    def _find_first(self) -> int:
        first: int | None = None
        for count, packet in enumerate(packets(self.media, [self.stream], self._note_damage)):
            stamp = self._stamp(packet)
            if stamp is not None and not packet.is_discard:
                first = stamp if first is None else min(first, stamp)
            if first is not None and (count >= _FEW or (packet.dts is not None and packet.dts >= first)):
                return first
        if first is None:
            raise InputError(f"The film {self.media.name} has no frames", "Choose another file, or fetch it again")
        return first

    def _find_delay(self) -> int:
        """Return by how many ticks the decoder delays the first frame; it delays all frames by the same time."""
        self._start_at(self.first)
        frame = self._next_frame(self.first, skip=False)
        return 0 if frame is None else frame.ticks - self.first

    def _find_end(self) -> tuple[int, int, float]:
        """Return when the last frame appears, when it ends, and the duration of the film in seconds.

        These values come from the last packets of the file, because headers can be wrong and a film can be cut off.
        """
        stated = self.media.stated_duration
        last = None
        if stated is not None and self._searchable and seek(self.media, self.stream, self.ticks_at(stated)):
            last, end, reached = self._walk()
        if last is None:
            self._rewind()
            last, end, reached = self._walk()
        if last is None:
            last, end = self.first, self.first + self._per_frame
        duration = max(self.seconds(end), reached - self.media.start)
        if stated is not None and duration >= least_end(stated):
            duration = max(duration, stated)
            cut = is_cut_off(self.media)
        else:
            cut = stated is not None or is_cut_off(self.media)
        if cut:
            warn(self._on_warning, breaks_off(f"The film {self.media.name}", duration, stated))
        return last, end, duration

    def _walk(self) -> tuple[int | None, int, float]:
        """Read the remaining packets; return the latest frame's time, its end, and the last second of any track."""
        last: int | None = None
        end = self.first
        reached = 0.0
        for packet in packets(self.media, self._tracks(), self._note_damage):
            stamp = self._stamp(packet) if packet.stream == self.stream else packet.pts
            if stamp is None or packet.is_discard:
                continue
            reached = max(reached, float((stamp + (packet.duration or 0)) * packet.time_base))
            if packet.stream == self.stream and (last is None or stamp >= last):
                last, end = stamp, stamp + (packet.duration or self._per_frame)
        return last, end, reached

    def _tracks(self) -> list[Any]:
        return [self.stream, *self.media.container.streams.audio]

    def _stamp(self, packet: Any) -> int | None:
        """Return when the frame in a packet is shown; None if the packet doesn't tell."""
        stamp: int | None = packet.dts if self._in_turn or packet.pts is None else packet.pts
        return stamp

    # Going to a place

    def _forget(self) -> None:
        self._source: Iterator[Any] = iter(())
        self._decoded: deque[TimedFrame] = deque()
        self._due: list[int] = []  # sorted timestamps of frames that may still be in the decoder
        self._shown: TimedFrame | None = None
        self._ahead: TimedFrame | None = None
        self._fed: int | None = None
        self._began = self._group = 0  # start of decoding, and start of the current group

    def _worth_seeking(self, ticks: int) -> bool:
        """Return whether a seek reaches ``ticks`` faster than decoding from the current position."""
        if self._fed is None or ticks <= self._fed or not self._searchable:
            return False
        if self._indexed:
            entries = self.stream.index_entries
            place = entries.search_timestamp(ticks, backward=True)
            return bool(place >= 0 and entries[place].timestamp > self._fed + _SEEK_COST * self._per_frame)
        return ticks - self._group > self._longest_group + _SEEK_COST * self._per_frame

    def _start_at(self, ticks: int) -> None:
        """Go to the last key frame at ``ticks`` or before."""
        before = self._fed
        self._forget()
        second = round(1 / self.tick)
        target = ticks
        # A seek may land after the key frame that is needed; then try an earlier place.
        while self._searchable and target > self.first and seek(self.media, self.stream, target):
            key, rest = self._next_key()
            if key is not None and key.ticks <= ticks:
                if before is not None and key.ticks <= before <= ticks:
                    # The seek went back, so groups of pictures can be this long.
                    self._longest_group = max(self._longest_group, ticks - key.ticks)
                self._source = chain([key.frame], rest)
                self._began = self._group = key.ticks
                return
            target = ticks - max(second, 2 * (ticks - target))
        self._rewind()
        self._source = packets(self.media, [self.stream], self._note_damage)
        self._began = self._group = self.first

    def _next_key(self) -> tuple[TimedFrame | None, Iterator[Any]]:
        source = packets(self.media, [self.stream], self._note_damage)
        for packet in source:
            stamp = self._stamp(packet)
            if stamp is not None and packet.is_keyframe:
                return TimedFrame(packet, stamp), source
        return None, source

    def _rewind(self) -> None:
        """Go to the beginning. In files that are searched by timestamps, ask for a time well before the beginning."""
        for ticks in (self.first - round(10 / self.tick), self.first, 0):
            if seek(self.media, self.stream, ticks):
                return
        raise InputError(f"The film {self.media.name} can't be searched", REMEDY)

    # Decoding

    def _advance(self, ticks: int, *, skip: bool) -> tuple[TimedFrame | None, bool]:
        """Decode up to ``ticks``; return the frame shown then, and whether the right frame was wrongly skipped."""
        while True:
            frame = self._ahead or self._next_frame(ticks, skip=skip)
            self._ahead = None
            if frame is None:
                break
            if frame.ticks > ticks:
                self._ahead = frame
                break
            self._shown = frame
            del self._due[: bisect_right(self._due, frame.ticks)]
            if self._fed is not None and self._fed > ticks and (not self._due or self._due[0] > ticks):
                break  # all frames still in the decoder are shown later
        return self._shown, skip and bool(self._due) and self._due[0] <= ticks

    def _next_frame(self, ticks: int, *, skip: bool) -> TimedFrame | None:
        while not self._decoded:
            packet = next(self._source, None)
            if packet is None:
                return None
            self._feed(packet, ticks, skip=skip)
        return self._decoded.popleft()

    def _feed(self, packet: Any, ticks: int, *, skip: bool) -> None:
        stamp = self._stamp(packet)
        if stamp is not None:
            self._notice_gap(stamp if packet.dts is None else packet.dts)
            self._fed = stamp if packet.dts is None else packet.dts
            if packet.is_keyframe:
                self._longest_group = max(self._longest_group, stamp - self._group)
                self._group = stamp
            if not packet.is_discard:
                insort(self._due, stamp)
                del self._due[:-_MOST_DUE]
        skip = skip and stamp is not None and stamp < ticks - _NEAR * self._per_frame
        self._context.skip_frame = "NONREF" if skip else "DEFAULT"
        for frame in decode_packet(packet, self._note_damage):
            check_size(frame.width, frame.height, self.media)
            self._decoded.append(TimedFrame(frame, self._ticks_of(frame)))
            self._report(self._decoded[-1].ticks)

    def _notice_gap(self, ticks: int) -> None:
        """Note damage if frames are missing between the packet before and one that is decoded at ``ticks``."""
        if self._fed is not None and (ticks - self._fed) * self.tick > _LONG and not self._damaged:
            self._damaged = self._gaps.hold(self._fed * self.tick, ticks * self.tick)

    def _report(self, ticks: int) -> None:
        second = int(self.seconds(ticks))
        if second != self._reported:
            self._reported = second
            report(self._progress, "reading the film", second, self.duration, "seconds")

    def _ticks_of(self, frame: Any) -> int:
        if self._in_turn:
            if frame.dts is not None:
                return int(frame.dts - self._delay)
        elif frame.pts is not None:
            return int(frame.pts)
        latest = self._decoded[-1] if self._decoded else self._ahead or self._shown
        return self.first if latest is None else latest.ticks + self._per_frame


def check_size(width: int, height: int, media: OpenMedia) -> None:
    """Refuse a film whose pictures are too large.

    Raises:
        InputError: The pictures are larger than the limit.
    """
    limits = media.limits
    if width * height > min(limits.max_pixels, LARGEST_FRAME) or max(width, height) > limits.max_side:
        raise InputError(f"The film {media.name} has pictures of {width}x{height} pixels", "Scale it down first")
