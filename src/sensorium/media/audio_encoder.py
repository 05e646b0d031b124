"""Samples become encoded sound: WAV, FLAC, MP3, Opus, AAC, or bare samples."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class SoundFormat:
    """How sound is encoded.

    Attributes:
        name: What callers call it ("mp3").
        media_type: Its media type on the web.
        suffixes: How names of such files end; the first is the usual one.
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        samples: The sample format that the encoder is given.
        rates: The sample rates that the codec knows, highest first; empty for any.
        bit_rate: Bits a second for one channel, chosen to be beyond reproach for speech; 0 where nothing is lost.
        file_options: What FFmpeg's writer of the container is told for a file.
        piece_options: What it is told for pieces, which it can't go back to; None if it has to.
    """

    name: str
    media_type: str
    suffixes: tuple[str, ...]
    container: str
    codec: str
    samples: str
    rates: tuple[int, ...] = ()
    bit_rate: int = 0
    file_options: Mapping[str, str] = field(default_factory=dict)
    piece_options: Mapping[str, str] | None = field(default_factory=dict)

    def encoded_rate(self, sample_rate: int) -> int:
        """Return the sample rate of the encoded sound: the same, or the next higher one that the codec knows."""
        return min((rate for rate in self.rates if rate >= sample_rate), default=max(self.rates, default=sample_rate))


_MP3_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_AAC_RATES = (96_000, 88_200, 64_000, *_MP3_RATES)
_OPUS_RATES = (48_000, 24_000, 16_000, 12_000, 8_000)

_TAGGED = {"write_id3v2": "1"}

SOUND_FORMATS = {
    form.name: form
    for form in (
        # Beyond 4 GB a WAV needs the larger header of RF64, which is known at the end.
        SoundFormat("wav", "audio/wav", (".wav",), "wav", "pcm_s16le", "s16", file_options={"rf64": "auto"}),
        SoundFormat("flac", "audio/flac", (".flac",), "flac", "flac", "s16"),
        # Its table of contents stands at the beginning and is known at the end.
        SoundFormat(
            "mp3", "audio/mpeg", (".mp3",), "mp3", "libmp3lame", "fltp", _MP3_RATES, 96_000, {}, {"write_xing": "0"}
        ),
        # A page is given out when it is full: here after 0.2 s rather than 1 s.
        SoundFormat(
            "opus", "audio/ogg", (".opus", ".ogg"), "ogg", "libopus", "flt", _OPUS_RATES, 48_000, {},
            {"page_duration": "200000"},
        ),
        SoundFormat("m4a", "audio/mp4", (".m4a",), "ipod", "aac", "fltp", _AAC_RATES, 96_000, {}, None),
        SoundFormat("aac", "audio/aac", (".aac",), "adts", "aac", "fltp", _AAC_RATES, 96_000, _TAGGED, _TAGGED),
        # It can't say its rate, so it has one only: what OpenAI's clients play it with.
        SoundFormat("pcm", "audio/pcm", (), "s16le", "pcm_s16le", "s16", (24_000,)),
    )
}  # fmt: skip
"""By name. ``"pcm"`` is 24,000 samples a second of 16 bits, little-endian, without a header: it can't hold tags."""


class SoundEncoder:
    """Encodes mono sound of any length in constant memory, into a file or piece by piece.

    Use it in a ``with`` block.

    Args:
        form: One of `SOUND_FORMATS`.
        sample_rate: Samples a second of what will be given. A codec that doesn't know this rate gets the next higher
            one that it knows.
        path: The file to write; None to fetch the encoded bytes with `take`.
        metadata: Tags such as title, artist, comment.

    Raises:
        InputError: The rate makes no sense.
    """

    def __init__(
        self,
        form: SoundFormat,
        sample_rate: int,
        *,
        path: Path | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        import av

        check_sample_rate(sample_rate)
        self.sample_rate = sample_rate
        self.written = 0
        """How many samples it was given."""
        self._pieces = _Pieces()
        target: Any = self._pieces if path is None else str(path.absolute())
        options = {**(form.piece_options or {}), "flush_packets": "1"} if path is None else dict(form.file_options)
        self._container: Any = av.open(target, "w", format=form.container, options=options)
        self._container.metadata.update(metadata or {})
        self._stream: Any = self._container.add_stream(form.codec, rate=form.encoded_rate(sample_rate), layout="mono")
        context: Any = self._stream.codec_context
        context.format = form.samples
        if form.bit_rate:
            context.bit_rate = form.bit_rate

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
            frame.pts = self.written
            self._container.mux(self._stream.encode(frame))
            self.written += piece.shape[1]

    def finish(self) -> None:
        """Encode what the codec still holds, and end the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def take(self) -> bytes:
        """Return the bytes that were encoded since the last call."""
        return self._pieces.take()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._container.close()


class _Pieces:
    """A file that FFmpeg can only write to, and whose content is taken out as it comes."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._held.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._held = b"".join(self._held), []
        return taken


def sound_format(name: str) -> SoundFormat:
    """Return a format by its name.

    Raises:
        InputError: There is none of that name.
    """
    form = SOUND_FORMATS.get(name.lower().lstrip("."))
    if form is None:
        raise InputError(f"Sound can't be written as {name!r}", f"Choose one of {', '.join(SOUND_FORMATS)}")
    return form


def streamed_format(name: str) -> SoundFormat:
    """Return a format that can be given out piece by piece.

    Raises:
        InputError: There is none of that name.
    """
    form = SOUND_FORMATS.get(name.lower().lstrip("."))
    if form is None or form.piece_options is None:
        known = ", ".join(form.name for form in SOUND_FORMATS.values() if form.piece_options is not None)
        raise InputError(f"Sound can't be streamed as {name!r}", f"Choose one of {known}")
    return form


def encode_sound(
    blocks: Iterable[ArrayLike], sample_rate: int, form: SoundFormat, *, metadata: Mapping[str, str] | None = None
) -> Generator[bytes, None, int]:
    """Encode sound piece by piece, in constant memory.

    Args:
        blocks: float arrays of shape [samples], values in [-1, 1].
        sample_rate: Samples a second.
        form: From `streamed_format`.
        metadata: Tags such as title, artist, comment.

    Yields:
        What can be sent after each block; joined, the pieces are a file.

    Returns:
        How many samples there were.

    Raises:
        InputError: The rate makes no sense, or a block is not sound.
    """
    with closing(SoundEncoder(form, sample_rate, metadata=metadata)) as encoder:
        for block in blocks:
            encoder.write(block)
            if piece := encoder.take():
                yield piece
        encoder.finish()
        if piece := encoder.take():
            yield piece
        return encoder.written


def check_sample_rate(sample_rate: int) -> None:
    """Refuse a rate that no recorder and no player knows.

    Raises:
        InputError: It is under 1,000 or over 384,000 samples a second.
    """
    if not 1000 <= sample_rate <= 384_000:
        raise InputError(f"A sample rate of {sample_rate} makes no sense", "Use 16000 for speech, 44100 for music")


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
