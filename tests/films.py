"""Films whose every frame says its own number, and films with the oddities of real ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 160, 96
SOUND_RATE = 16_000
_BITS = 16
_CELL = 16
_FINE = Fraction(1, 90_000)
_ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "bf": "2", "sc_threshold": "0"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:keyint=50:min-keyint=50"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "mpeg4": {"bf": "2"},
    "mpeg2video": {"bf": "2"},
}


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Return a picture that carries a number from 0 to 65535 as black and white squares, over moving colours."""
    down, across = np.mgrid[0:height, 0:width]
    colours = [(across + 3 * number) % 256, (2 * down + number) % 256, (across + down) % 256]
    picture = np.stack(colours, axis=-1) // 2 + 64
    for bit in range(_BITS):
        top, left = _cell(bit)
        picture[top : top + _CELL, left : left + _CELL] = 255 * (number >> bit & 1)
    return picture.astype(np.uint8)


def number_in(image: Image.Image) -> int:
    """Return the number that a picture carries, whatever its size."""
    pixels = np.asarray(image.convert("L").resize((WIDTH, HEIGHT)))
    number = 0
    for bit in range(_BITS):
        top, left = _cell(bit)
        number |= int(pixels[top + 5 : top + 11, left + 5 : left + 11].mean() > 127) << bit
    return number


def _cell(bit: int) -> tuple[int, int]:
    return 16 + (bit // 8) * (_CELL + 16), 8 + (bit % 8) * (_CELL + 2)


def film(
    path: Path,
    count: int = 100,
    rate: float = 25,
    *,
    times: Sequence[float] | None = None,
    start: float = 0.0,
    codec: str = "libx264",
    group: int = 50,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    turned: int = 0,
    mirrored: bool = False,
    pixel_shape: Fraction | None = None,
    pictures: Iterable[NDArray[np.uint8]] | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_start: float = 0.0,
) -> Path:
    """Write a film of numbered frames; the suffix chooses the container.

    Args:
        path: Where to write.
        count: How many frames.
        rate: Frames a second.
        times: When each frame appears, in seconds, instead of a constant rate.
        start: Timestamp of the first frame; a negative one makes an MP4 with an edit list that hides what is before 0.
        codec: FFmpeg's name of the encoder.
        group: Frames from one key frame to the next.
        options: For the encoder, beyond the ones of the table above.
        container_options: For the container.
        turned: Degrees clockwise by which a player must turn the picture, as phones write it.
        mirrored: Whether a player must flip it left to right after that.
        pixel_shape: Width of a pixel over its height.
        pictures: Pictures instead of the numbered ones.
        sound: Mono samples in [-1, 1], at 16 kHz.
        sound_start: Timestamp of the first sample.
    """
    steady = Fraction(rate).limit_denominator(1001)
    unit = 1 / steady if times is None else _FINE
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=steady, options=_ENCODERS.get(codec, {}) | (options or {}))
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.gop_size = group
        context.time_base = unit
        if pixel_shape is not None:
            context.sample_aspect_ratio = pixel_shape
        if turned or mirrored:
            stream.set_display_rotation(-turned, hflip=mirrored)
        track: Any = None
        if sound is not None:
            track = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=SOUND_RATE, layout="mono")
        shown = (numbered(index) for index in range(count if times is None else len(times)))
        for index, pixels in enumerate(shown if pictures is None else pictures):
            if index == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.time_base = unit
            frame.pts = round(
                (index * unit if times is None else Fraction(times[index])) / unit + Fraction(start) / unit
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            heard = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="flt", layout="mono")
            heard.sample_rate, heard.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
            heard.pts = round(sound_start * SOUND_RATE)
            container.mux(track.encode(heard))
            container.mux(track.encode(None))
    return path


def truncated(source: Path, path: Path, share: float) -> Path:
    """Copy the first ``share`` of a file's bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def repeated(source: Path, path: Path, times: int) -> Path:
    """Write a film that shows another one so many times in a row, without encoding it anew."""
    with av.open(str(source)) as original, av.open(str(path), "w") as copy:
        template = original.streams.video[0]
        stream: Any = copy.add_stream_from_template(template)
        packets = [packet for packet in original.demux(template) if packet.size]
        assert template.duration is not None
        for turn in range(times):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.stream, again.time_base = stream, packet.time_base
                again.is_keyframe = packet.is_keyframe
                again.duration = packet.duration
                again.pts = (packet.pts or 0) + turn * template.duration
                again.dts = (packet.dts or 0) + turn * template.duration
                copy.mux(again)
    return path
