"""Opening sound and film files in such a way that FFmpeg reads only the given bytes, and no other file or address."""

from __future__ import annotations

import contextlib
import ctypes
import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from sensorium.errors import InputError
from sensorium.media.content import HEAD_BYTES, UNKNOWN, describe_content, sniff_kind
from sensorium.media.limits import Limits
from sensorium.media.riff import has_false_notes
from sensorium.media.source import MediaSource, ResolvedMedia, display_name, resolve
from sensorium.progress import Cancellation, check_cancelled

if TYPE_CHECKING:
    from av.container import InputContainer

logger = logging.getLogger(__name__)

WarningCallback: TypeAlias = Callable[[str], None]
"""Called with one plain sentence about a problem in a file that could be used nevertheless."""

CONTAINERS = (
    "3gp", "aac", "ac3", "aiff", "amr", "asf", "au", "avi", "caf", "flac", "flv", "gif", "matroska", "mov",
    "mp3", "mpeg", "mpegts", "ogg", "w64", "wav", "webm", "wv",
)  # fmt: skip
"""FFmpeg's names of the containers that are read. Playlists and manifests are excluded, because they name other
files."""

HIGHEST_SAMPLE_RATE = 768_000
"""Samples per second; no recorder uses a higher rate."""

MAX_STREAMS = 64

_MOST_AT_ONCE = 512 << 20

LARGEST_FRAME = 8192 * 4608
"""Most pixels in a frame of a film. It applies even if the limit for pictures is higher: a decoder holds a dozen
frames."""

_AGAIN = "Fetch or copy it again"
REMEDY = "Convert it with FFmpeg to MP4, WebM, WAV, FLAC, MP3 or Ogg"


@dataclass(frozen=True)
class OpenMedia:
    """A sound or film file that is open for reading.

    Attributes:
        name: The file's name in messages.
        container: PyAV's container.
        limits: The limits for the file.
        source: The file, to be opened once more.
        cancel: If set, reading stops.
    """

    name: str
    container: InputContainer
    limits: Limits
    source: ResolvedMedia
    cancel: Cancellation | None = None

    @property
    def start(self) -> float:
        """The first timestamp of the file, in seconds. Files don't always start at 0; players show this time as 0."""
        return (self.container.start_time or 0) / 1_000_000

    @property
    def stated_duration(self) -> float | None:
        """The file's length by its header, in seconds; None if the header doesn't tell. It can be wrong."""
        return None if self.container.duration is None else self.container.duration / 1_000_000

    def sound_track(self, number: int | None = None) -> Any:
        """Return a sound stream.

        Args:
            number: Which one, from 1; None for the one that a player would play.

        Raises:
            InputError: There is no such sound stream, or it can't be decoded.
        """
        streams = list(self.container.streams.audio)
        if number is not None and streams:
            if not 1 <= number <= len(streams):
                raise InputError(
                    f"{self.name} has no sound track {number}",
                    "Its only one is 1" if len(streams) == 1 else f"Choose one from 1 to {len(streams)}",
                )
            streams = [streams[number - 1]]
        stream = self._choose(streams, "sound track")
        # A false rate of a thousand million samples per second would take a gigabyte and half a minute before it fails.
        rate = stream.codec_context.sample_rate
        if rate > HIGHEST_SAMPLE_RATE:
            raise InputError(
                f"The sound of {self.name} has {rate} samples a second, which no recorder makes",
                "Choose another file, or convert it to 48,000 samples a second",
            )
        return stream

    def pictures(self) -> Any:
        """Return the picture stream that a player would show; a cover picture doesn't count.

        Raises:
            InputError: There is no picture stream, or it can't be decoded.
        """
        from av.stream import Disposition

        films = [s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic]
        return self._choose(films, "moving picture")

    def _choose(self, streams: list[Any], what: str) -> Any:
        from av.stream import Disposition

        if not streams:
            raise InputError(f"The file {self.name} has no {what}", "Choose a file that has one")
        usable = [stream for stream in streams if stream.codec_context is not None]
        if not usable:
            raise InputError(f"The {what} of {self.name} is in a format that can't be decoded", REMEDY)
        return max(usable, key=lambda stream: bool(stream.disposition & Disposition.default))


class _Bytes:
    """An open file without its name: FFmpeg judges the format by the content, and can't look for files beside it."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


@cache
def _bound_memory() -> None:
    """Let FFmpeg take no more memory at once than the largest frame needs: what a damaged file says would be 2 GB."""
    import av

    folder = Path(av.__file__).parent
    for library in [*folder.parent.glob("av.libs/libavutil*"), *folder.glob(".dylibs/libavutil*")]:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).av_max_alloc(ctypes.c_size_t(_MOST_AT_ONCE))


def _refuse_other_files(url: str, flags: int, options: object) -> object:
    raise PermissionError("a media file asked for another file")


@contextlib.contextmanager
def open_media(source: MediaSource, *, limits: Limits, cancel: Cancellation | None = None) -> Iterator[OpenMedia]:
    """Open a sound or film file.

    FFmpeg gets an open file and may use no protocol, so a file can't make FFmpeg read another file or an address.

    Args:
        source: Path, address, data URI, bytes or open file.
        limits: The limits for the file.
        cancel: Set it to stop the code that reads the file.

    Raises:
        InputError: The file is empty, damaged, too long, or not a sound or film file.
    """
    import av

    name = display_name(source)
    with contextlib.ExitStack() as stack:
        media = resolve(source, limits=limits)
        name = media.name
        file = stack.enter_context(media.open())
        head = file.read(HEAD_BYTES)
        if not head:
            raise InputError(f"The file {name} is empty", "Choose another file, or fetch it again")
        if has_false_notes(file, head):
            raise InputError(f"The file {name} is damaged: its notes are said to be larger than any are", _AGAIN)
        file.seek(0)
        _bound_memory()
        try:
            container = av.open(
                _Bytes(file),
                "r",
                container_options={
                    "format_whitelist": ",".join(CONTAINERS),
                    "protocol_whitelist": "none",
                    "max_streams": str(MAX_STREAMS),
                },
                metadata_errors="replace",
                io_open=_refuse_other_files,
            )
        except (av.FFmpegError, PermissionError, ValueError) as error:
            logger.debug("FFmpeg on %s: %s", name, error)
            raise _refusal(name, head) from None
        stack.enter_context(container)
        yield OpenMedia(name, container, limits, media, cancel)


def _refusal(name: str, head: bytes) -> InputError:
    if sniff_kind(head) in ("audio", "video"):
        reason = "is damaged: its beginning or its table of contents is missing"
        return InputError(f"The file {name} {reason}", _AGAIN)
    content = describe_content(head)
    convertible = content == UNKNOWN
    return InputError(
        f"The file {name} is not a sound or film file but {content}",
        f"If it holds sound or a film, {REMEDY[0].lower()}{REMEDY[1:]}" if convertible else "Name a sound or film file",
    )


def seek(media: OpenMedia, stream: Any, ticks: int) -> bool:
    """Go to the last point, at or before a time, from which a stream can be decoded.

    Args:
        media: The open file.
        stream: One of its streams.
        ticks: A timestamp, in units of the stream's time base.

    Returns:
        Whether the file could be searched. The timestamps of the next packets tell which point was reached.
    """
    import av

    try:
        media.container.seek(ticks, stream=stream)
    except av.FFmpegError:
        return False
    return True


def decode(
    media: OpenMedia, stream: Any, on_damage: Callable[[], None], *, not_before: float | None = None
) -> Generator[Any, None, None]:
    """Decode one stream from the container's current position. Damaged packets are left out, as in players.

    Args:
        media: The open file.
        stream: One of its streams.
        on_damage: Called for each part that could not be read or decoded.
        not_before: Packets before this time (in seconds, on the file's own clock) are skipped without decoding.

    Yields:
        PyAV frames.
    """
    first = None if not_before is None else not_before / stream.time_base
    for packet in packets(media, [stream], on_damage):
        if first is not None and packet.pts is not None and packet.pts < first:
            continue
        yield from decode_packet(packet, on_damage)


def decode_packet(packet: Any, on_damage: Callable[[], None]) -> list[Any]:
    """Decode a packet and return the frames that come out; none if the packet is damaged."""
    import av

    try:
        frames: list[Any] = packet.decode()
    except av.error.EOFError:
        return []
    except av.FFmpegError:
        on_damage()
        return []
    for frame in frames:
        if has_unusual_channels(frame):
            _never_free(frame.layout)
    return frames


def has_unusual_channels(frame: Any) -> bool:
    """Return whether a frame contains sound with an unusual layout of channels.

    In PyAV 17.1 to 19.0 several objects share the description of such a layout, and each of them frees it: the process
    crashes. Therefore no further frame may be made from such a frame, and a codec context's layout must not be read.
    """
    layout = getattr(frame, "layout", None)
    return layout is not None and ("(" in layout.name.partition(" channels ")[2] or layout.name.startswith("ambisonic"))


def _never_free(layout: Any) -> None:
    """Keep this object from freeing the description of the layout: the frame frees it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))


def packets(media: OpenMedia, streams: list[Any], on_damage: Callable[[], None]) -> Generator[Any, None, None]:
    """Yield the packets of some streams, and then one empty packet per stream, so that decoders give their last frames.

    Args:
        media: The open file.
        streams: Some of its streams.
        on_damage: Called if the file can't be read to its end.

    Raises:
        CancelledError: The file's ``cancel`` was set.
    """
    import av

    while True:
        try:
            for packet in media.container.demux(streams):
                check_cancelled(media.cancel)
                yield packet
            return
        except IndexError:
            continue  # PyAV fails once when a new track appears in the middle of the file
        except (av.FFmpegError, OSError):
            break
    on_damage()
    for stream in streams:
        last = av.Packet()
        last.stream = stream
        yield last


def warn(on_warning: WarningCallback | None, sentence: str) -> None:
    """Call ``on_warning`` with a sentence; without ``on_warning``, log the sentence."""
    if on_warning is None:
        logger.warning("%s", sentence)
    else:
        on_warning(sentence)
