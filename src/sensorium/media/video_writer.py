"""Writes pictures and sound to a film: MP4 with H.264 and AAC, which all players and browsers show."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError, MissingDependencyError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.audio_encoder import check_samples
from sensorium.media.naming import display_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
    from PIL.Image import Image

_QUALITY = {"preset": "veryfast", "crf": "20"}
_BT709 = 1
_LIMITED_RANGE = 1
_SOUND_BIT_RATE = 128_000
_SOUND_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Image],
    frames_per_second: float,
    *,
    audio: ArrayLike | None = None,
    sample_rate: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a film; the file appears only when it is complete.

    Args:
        path: Where to write; the name must end in .mp4.
        frames: PIL images of one size; one image is in memory at a time. An odd width or height is made even by
            repeating the last column or row.
        frames_per_second: How many pictures are shown per second.
        audio: float array of shape [samples] in [-1, 1]. All of it is written, even if it is longer than the pictures.
        sample_rate: Samples per second of ``audio``.
        metadata: Tags such as title, artist, comment.

    Returns:
        The path.

    Raises:
        InputError: There is no frame, frames differ in size, or an argument makes no sense.
        MissingDependencyError: PyAV was built without H.264.
    """
    import av

    name = display_name(path)
    if Path(path).suffix.lower() != ".mp4":
        raise InputError(f"A film can't be written to {name}", "End the name in .mp4")
    if not 0 < frames_per_second <= 1000:
        raise InputError(f"{frames_per_second} frames a second make no film", "Use a rate such as 25")
    if audio is not None and not 1000 <= (sample_rate or 0) <= 384_000:
        raise InputError(
            f"A sample rate of {sample_rate} makes no sense", "Say how many samples a second the sound has"
        )
    if "libx264" not in av.codecs_available:
        raise MissingDependencyError(
            "This build of PyAV can't write H.264", "Install PyAV from its wheel: pip install av"
        )
    with (
        atomic_file(path) as partial,
        av.open(str(partial.absolute()), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata.update(metadata or {})
        pictures = _Pictures(container, Fraction(frames_per_second).limit_denominator(1001), name)
        sound = None if audio is None or sample_rate is None else _Sound(container, check_samples(audio), sample_rate)
        for frame in frames:
            pictures.write(frame)
            if sound is not None:
                sound.write_until(pictures.seconds)
        pictures.finish()
        if sound is not None:
            sound.finish()
    return Path(path)


class _Pictures:
    def __init__(self, container: Any, rate: Fraction, name: str) -> None:
        self._container = container
        self._rate = rate
        self._name = name
        self._stream: Any = container.add_stream("libx264", rate=rate, options=_QUALITY)
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._size: tuple[int, int] | None = None
        self._count = 0

    @property
    def seconds(self) -> Fraction:
        return self._count / self._rate

    def write(self, image: Image) -> None:
        import av
        import numpy as np

        width, height = image.size
        if self._size is None:
            self._size = image.size
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
        if image.size != self._size:
            raise InputError(
                f"Frame {self._count} of {self._name} has {width}x{height} pixels, "
                f"the first one {self._size[0]}x{self._size[1]}",
                "Resize the frames to one size",
            )
        pixels = np.pad(np.asarray(image.convert("RGB")), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        frame.pts = self._count
        frame.time_base = 1 / self._rate
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def finish(self) -> None:
        if not self._count:
            raise InputError(f"There are no frames to write to {self._name}", "Give at least one picture")
        self._container.mux(self._stream.encode(None))


class _Sound:
    def __init__(self, container: Any, samples: NDArray[np.float32], rate: int) -> None:
        self._container = container
        self._samples = samples
        self._rate = rate
        self._written = 0
        known = min((known for known in _SOUND_RATES if known >= rate), default=_SOUND_RATES[0])
        self._stream: Any = container.add_stream("aac", rate=known, layout="mono")
        self._stream.codec_context.bit_rate = _SOUND_BIT_RATE

    def write_until(self, seconds: Fraction) -> None:
        """Write the sound of the pictures written so far: players of a partly loaded file need both side by side."""
        self._write(int(seconds * self._rate))

    def finish(self) -> None:
        self._write(len(self._samples))
        self._container.mux(self._stream.encode(None))

    def _write(self, stop: int) -> None:
        import av

        stop = min(stop, len(self._samples))
        while self._written < stop:
            piece = self._samples[None, self._written : min(stop, self._written + self._rate)].copy()
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="mono")
            frame.sample_rate = self._rate
            frame.time_base = Fraction(1, self._rate)
            frame.pts = self._written
            self._container.mux(self._stream.encode(frame))
            self._written += piece.shape[1]
