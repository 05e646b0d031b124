"""Samples become sound files: WAV, FLAC, MP3, Opus, AAC."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file, require_place
from sensorium.media.naming import display_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class _Format:
    """How a kind of file is written.

    Attributes:
        container: FFmpeg's name of it.
        codec: FFmpeg's name of the encoder.
        samples: The sample format that the encoder is given.
        rates: The sample rates that the codec knows, highest first; empty for any.
        bit_rate: Bits a second for one channel, chosen to be beyond reproach for speech; 0 where nothing is lost.
    """

    container: str
    codec: str
    samples: str
    rates: tuple[int, ...] = ()
    bit_rate: int = 0


_MP3_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_OPUS = _Format("ogg", "libopus", "flt", (48_000, 24_000, 16_000, 12_000, 8_000), 48_000)
_FORMATS = {
    ".wav": _Format("wav", "pcm_s16le", "s16"),
    ".flac": _Format("flac", "flac", "s16"),
    ".mp3": _Format("mp3", "libmp3lame", "fltp", _MP3_RATES, 96_000),
    ".opus": _OPUS,
    ".ogg": _OPUS,
    ".m4a": _Format("ipod", "aac", "fltp", (96_000, 88_200, 64_000, *_MP3_RATES), 96_000),
    ".aac": _Format("adts", "aac", "fltp", (96_000, 88_200, 64_000, *_MP3_RATES), 96_000),
}


def require_sound_path(path: str | os.PathLike[str]) -> None:
    """See that sound could be written to a file, before anything costly is done for it.

    Raises:
        InputError: The suffix is of no format that can be written, or there is no such folder.
    """
    if Path(path).suffix.lower() not in _FORMATS:
        raise InputError(f"Sound can't be written to {display_name(path)}", f"End the name in {', '.join(_FORMATS)}")
    require_place(path)


class AudioWriter:
    """Write mono sound of any length, in constant memory, to a file that appears when it is complete.

    Use it in a ``with`` block; if the block fails, nothing is left behind.

    Args:
        path: Where to write; the suffix chooses the format: .wav .flac .mp3 .opus .ogg .m4a .aac.
        sample_rate: Samples a second of what will be written. A codec that doesn't know this rate gets the next
            higher one that it knows.
        metadata: Tags such as title, artist, comment.

    Raises:
        InputError: The suffix is none of these, the rate makes no sense, or the folder can't be written to.
    """

    def __init__(
        self, path: str | os.PathLike[str], sample_rate: int, *, metadata: Mapping[str, str] | None = None
    ) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self._name = display_name(path)
        self._metadata = dict(metadata or {})
        self._written = 0
        require_sound_path(path)
        if not 1000 <= sample_rate <= 384_000:
            raise InputError(f"A sample rate of {sample_rate} makes no sense", "Use 16000 for speech, 44100 for music")
        self._format = _FORMATS[self.path.suffix.lower()]

    def __enter__(self) -> Self:
        import av

        form = self._format
        rate = min((r for r in form.rates if r >= self.sample_rate), default=max(form.rates, default=self.sample_rate))
        with ExitStack() as stack:
            partial = stack.enter_context(atomic_file(self.path))
            # Beyond 4 GB a WAV needs the larger header of RF64.
            options = {"rf64": "auto"} if form.container == "wav" else {}
            container = av.open(str(partial.absolute()), "w", format=form.container, options=options)
            self._container = stack.enter_context(container)
            self._container.metadata.update(self._metadata)
            self._stream: Any = self._container.add_stream(
                form.codec, rate=rate if form.rates else self.sample_rate, layout="mono"
            )
            context: Any = self._stream.codec_context
            context.format = form.samples
            if form.bit_rate:
                context.bit_rate = form.bit_rate
            self._open = stack.pop_all()
        return self

    def write(self, samples: ArrayLike) -> None:
        """Append samples.

        Args:
            samples: float array of shape [samples]; values beyond [-1, 1] are clipped.

        Raises:
            InputError: The array has another shape or holds values that are not numbers.
        """
        import av
        import numpy as np

        sound = check_samples(samples)
        for begin in range(0, len(sound), self.sample_rate):
            piece = np.ascontiguousarray(sound[None, begin : begin + self.sample_rate])
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="mono")
            frame.sample_rate = self.sample_rate
            frame.time_base = Fraction(1, self.sample_rate)
            frame.pts = self._written
            self._container.mux(self._stream.encode(frame))
            self._written += piece.shape[1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            if not self._written:
                raise InputError(f"There is no sound to write to {self._name}", "Give at least one sample")
            self._container.mux(self._stream.encode(None))


def write_audio(
    samples: ArrayLike,
    path: str | os.PathLike[str],
    sample_rate: int,
    *,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write mono sound to a file that appears when it is complete.

    Args:
        samples: float array of shape [samples]; values beyond [-1, 1] are clipped.
        path: Where to write; the suffix chooses the format: .wav .flac .mp3 .opus .ogg .m4a .aac.
        sample_rate: Samples a second.
        metadata: Tags such as title, artist, comment.

    Returns:
        The path.

    Raises:
        InputError: As for `AudioWriter`.
    """
    with AudioWriter(path, sample_rate, metadata=metadata) as writer:
        writer.write(samples)
    return writer.path


def check_samples(samples: ArrayLike) -> NDArray[np.float32]:
    """Return mono sound as float32 in [-1, 1].

    Raises:
        InputError: It has more than one dimension, is not of floats, or holds values that are not numbers.
    """
    import numpy as np

    sound = np.asarray(samples)
    if sound.ndim != 1 or sound.dtype.kind != "f":
        raise InputError(
            f"Sound must be a one-dimensional array of floats, not {sound.dtype} of shape {list(sound.shape)}",
            "Average the channels, and divide whole numbers by their largest value",
        )
    if not np.isfinite(sound).all():
        raise InputError("The sound holds values that are not numbers", "Check the model that made it")
    clipped: NDArray[np.float32] = np.clip(sound, -1.0, 1.0).astype(np.float32)
    return clipped
