"""Which pauses in a track are damage: the file holds bytes there that nothing could be made of."""

from __future__ import annotations

from sensorium.media.container import OpenMedia, open_media, packets

_WITHOUT_PAUSES = frozenset({"ogg", "flac", "mpegts", "mpeg", "wv"})
"""Containers whose tracks have no pauses: where timestamps jump, something was lost."""

_WITHOUT_INDEX = "matroska"
"""It may hold pauses, and FFmpeg passes over what is damaged without a word. Its tracks are stored in turn."""

_HEADERS = 2048
"""Bytes between two packets that are their headers."""


class DamagedGaps:
    """Tells damage from pauses that timestamps state.

    Args:
        media: The open file.
        number: Index of the stream.
    """

    def __init__(self, media: OpenMedia, number: int) -> None:
        self._media = media
        self._number = number
        self._found: list[tuple[float, float]] | None = None

    def hold(self, start: float, end: float) -> bool:
        """Return whether something is damaged between two times, in seconds on the file's own clock."""
        format = self._media.container.format.name.partition(",")[0]
        if format in _WITHOUT_PAUSES:
            return True
        if format != _WITHOUT_INDEX:
            return False
        if self._found is None:
            self._found = self._find()
        return any(first < end and last > start for first, last in self._found)

    def _find(self) -> list[tuple[float, float]]:
        """Return between which times of the stream bytes are left over; the file is read, but not decoded."""
        found: list[tuple[float, float]] = []
        reached = place = 0.0
        left_over = False
        with open_media(self._media.source, limits=self._media.limits, cancel=self._media.cancel) as again:
            streams = [*again.container.streams.video, *again.container.streams.audio]
            for packet in packets(again, streams, lambda: None):
                if packet.pos is None or packet.pts is None or not packet.size:
                    continue
                left_over |= bool(place) and packet.pos > place + _HEADERS
                place = packet.pos + packet.size
                if packet.stream.index == self._number:
                    time = float(packet.pts * packet.time_base)
                    if left_over:
                        found.append((reached, time))
                    reached, left_over = time, False
        return found
