"""Samples become sound files: WAV, FLAC, MP3, Opus, AAC."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.naming import display_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class _Format:
    container: str
    codec: str
    sample_format: str
    rates: tuple[int, ...] = ()
    """The sample rates that the codec takes; empty for any."""
    bit_rate: int = 0


_OPUS = (48_000, 24_000, 16_000, 12_000, 8_000)
_MP3 = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_AAC = (96_000, 88_200, 64_000, *_MP3)
_FORMATS = {
    ".wav": _Format("wav", "pcm_s16le", "s16"),
    ".flac": _Format("flac", "flac", "s16"),
    ".mp3": _Format("mp3", "libmp3lame", "fltp", _MP3, 96_000),
    ".opus": _Format("ogg", "libopus", "flt", _OPUS, 48_000),
    ".ogg": _Format("ogg", "libopus", "flt", _OPUS, 48_000),
    ".m4a": _Format("ipod", "aac", "fltp", _AAC, 96_000),
    ".aac": _Format("adts", "aac", "fltp", _AAC, 96_000),
}
SUFFIXES = tuple(_FORMATS)
"""The file name endings that can be written."""


class AudioWriter:
    """Write mono sound of any length to a file that appears when it is complete.

    Args:
        path: Where to write; the suffix chooses the format: .wav .flac .mp3 .opus .ogg .m4a .aac.
        sample_rate: Samples a second of what will be written.
        metadata: Tags such as title, artist, comment.

    Raises:
        InputError: The suffix is not one of these, the rate makes no sense, or the folder isn't there.
    """

    def __init__(
        self, path: str | os.PathLike[str], sample_rate: int, *, metadata: Mapping[str, str] | None = None
    ) -> None:
        self.path = Path(path)
        name = display_name(path)
        if self.path.suffix.lower() not in _FORMATS:
            raise InputError(f"Sound can't be written to {name}", f"End the name in {', '.join(SUFFIXES)}")
        if not 1000 <= sample_rate <= 384_000:
            raise InputError(f"A sample rate of {sample_rate} makes no sense", "Use 16000 for speech, 44100 for music")
        self.sample_rate = sample_rate
        self._format = _FORMATS[self.path.suffix.lower()]
        self._metadata = dict(metadata or {})
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        import av

        with contextlib.ExitStack() as stack:
            partial = stack.enter_context(atomic_file(self.path))
            options = {"rf64": "auto"} if self._format.container == "wav" else {}
            self._container = stack.enter_context(
                av.open(str(partial.absolute()), "w", format=self._format.container, options=options)
            )
            self._container.metadata.update(self._metadata)
            rates = self._format.rates
            rate = min((r for r in rates if r >= self.sample_rate), default=max(rates)) if rates else self.sample_rate
            self._stream: Any = self._container.add_stream(self._format.codec, rate=rate, layout="mono")
            self._stream.codec_context.format = self._format.sample_format
            if self._format.bit_rate:
                self._stream.bit_rate = self._format.bit_rate
            self._converter = av.AudioResampler(format=self._format.sample_format, layout="mono", rate=rate)
            self._stack = stack.pop_all()
        return self

    def write(self, samples: NDArray[Any]) -> None:
        """Append samples.

        Args:
            samples: float array of shape [samples], values in [-1, 1].
        """
        import av
        import numpy as np

        samples = np.clip(np.asarray(samples, dtype=np.float32), -1.0, 1.0)
        for begin in range(0, len(samples), self.sample_rate):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[None, begin : begin + self.sample_rate]), format="flt", layout="mono"
            )
            frame.sample_rate = self.sample_rate
            self._encode(frame)

    def _encode(self, frame: Any) -> None:
        for converted in self._converter.resample(frame):
            self._container.mux(self._stream.encode(converted))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._encode(None)
            self._container.mux(self._stream.encode(None))


def write_audio(
    samples: NDArray[Any], path: str | os.PathLike[str], sample_rate: int, *, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write mono sound to a file; see `AudioWriter`."""
    with AudioWriter(path, sample_rate, metadata=metadata) as writer:
        writer.write(samples)
    return Path(path)
