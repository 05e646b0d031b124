"""Files with several sound tracks or several channels, made of samples."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

RATE = 16_000


@dataclass(frozen=True)
class Track:
    """One sound track: mono samples at 16 kHz, and how it is marked."""

    samples: NDArray[np.float32]
    language: str = ""
    title: str = ""
    disposition: Disposition | None = None


def with_tracks(path: Path, *tracks: Track) -> Path:
    """Write a file with sound tracks and no picture; the suffix chooses the container."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for track in tracks:
            stream: Any = container.add_stream("aac", rate=RATE, layout="mono")
            if track.disposition is not None:
                stream.disposition = track.disposition
            if track.language:
                stream.metadata["language"] = track.language
            if track.title:
                stream.metadata["title"] = track.title
            streams.append(stream)
        for stream, track in zip(streams, tracks, strict=True):
            frame = av.AudioFrame.from_ndarray(track.samples[None].astype(np.float32), format="flt", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def with_channels(path: Path, channels: Sequence[NDArray[np.floating[Any]]]) -> Path:
    """Write a WAV file of 16 bits with one row of samples for each channel."""
    whole = np.round(np.clip(np.stack(channels, axis=1), -1, 1) * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(whole.tobytes())
    return path
