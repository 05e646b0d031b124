"""Recordings that are cut off or damaged: what is left is at its right time, and what is missing is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sensorium.media.audio import read_audio
from tests import real_media

RATE = 16_000
CLICKS = (1.0, 5.0, 10.0, 15.0, 19.0)


@dataclass(frozen=True)
class Kind:
    """How twenty seconds are written: FFmpeg's names of the container and the codec."""

    container: str
    codec: str
    rate: int = RATE
    container_options: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.container}-{'-'.join(self.container_options) or self.codec}"


BARE = [
    Kind("mp3", "libmp3lame"),
    Kind("mp3", "libmp3lame", options={"flags": "+qscale", "global_quality": "472"}),
    Kind("mp3", "libmp3lame", container_options={"write_xing": "0", "id3v2_version": "0"}),
    Kind("mp2", "mp2"),
    Kind("adts", "aac"),
    Kind("ac3", "ac3", 48_000),
]
TIMED = [
    Kind("ogg", "libopus", 48_000),
    Kind("flac", "flac"),
    Kind("matroska", "libopus", 48_000),
    Kind("mpegts", "aac"),
    Kind("ipod", "aac", container_options={"movflags": "faststart"}),
]
STREAMS = [TIMED[3], Kind("mpeg", "mp2", 48_000)]
PLAIN = [Kind("wav", "pcm_s16le"), Kind("w64", "pcm_s16le"), Kind("caf", "pcm_s16le"), Kind("aiff", "pcm_s16be")]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], bytes]:
    """Twenty seconds of noise with five clicks in them, as a file of some kind."""
    samples = np.random.default_rng(0).normal(0, 0.02, 20 * RATE)
    for second in CLICKS:
        place = round(second * RATE)
        samples[place : place + 160] += 0.9 * np.sin(np.arange(160))
    files: dict[str, bytes] = {}
    folder = tmp_path_factory.mktemp("sound")

    def file(kind: Kind) -> bytes:
        key = repr(kind)
        if key not in files:
            files[key] = _encoded(samples, kind, folder / str(len(files)))
        return files[key]

    return file


def _encoded(samples: Any, kind: Kind, path: Path) -> bytes:
    with av.open(str(path), "w", format=kind.container, container_options=kind.container_options) as container:
        stream: Any = container.add_stream(kind.codec, rate=kind.rate, options=kind.options)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((samples[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = RATE
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format, "mono", kind.rate, size)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(part))
    return path.read_bytes()


def damaged(data: bytes, damage: str) -> bytes:
    """Spoil what is heard from second 8 to 12, but leave the file as long as it is."""
    start, end = int(len(data) * 0.4), int(len(data) * 0.6)
    spoilt = bytes(end - start) if damage == "zeros" else np.random.default_rng(1).bytes(end - start)
    return data[:start] + spoilt + data[end:]


def clicks_in(samples: Any, first: float = 0.0) -> list[float]:
    """Return at which of the five times there is a click, to a fifth of a second."""
    loud = first + np.flatnonzero(np.abs(samples) > 0.45) / RATE
    return [second for second in CLICKS if np.any(np.abs(loud - second) < 0.2)]


@pytest.mark.parametrize("damage", ["zeros", "noise"])
@pytest.mark.parametrize("kind", [*BARE, *TIMED], ids=str)
def test_what_follows_a_damaged_part_is_at_its_time(written: Callable[[Kind], bytes], kind: Kind, damage: str) -> None:
    data, said = damaged(written(kind), damage), list[str]()
    samples = read_audio(data, on_warning=said.append)
    assert clicks_in(samples) == [1.0, 5.0, 15.0, 19.0]
    assert len(samples) == pytest.approx(20 * RATE, rel=0.01)
    assert len(said) == 1
    assert "damaged" in said[0]
    assert any(f"second {second} " in said[0] for second in (7, 8))
    part = read_audio(data, start=9.0, on_warning=said.append)
    assert clicks_in(part, 9.0) == [15.0, 19.0]


@pytest.mark.parametrize("kind", [*BARE[:3], BARE[4]], ids=str)
def test_two_damaged_parts(written: Callable[[Kind], bytes], kind: Kind) -> None:
    data, said = bytearray(written(kind)), list[str]()
    for share, size in ((0.1, 0.1), (0.6, 0.05)):
        place, count = int(len(data) * share), int(len(data) * size)
        data[place : place + count] = bytes(count)
    assert clicks_in(read_audio(bytes(data), on_warning=said.append)) == [1.0, 5.0, 10.0, 15.0, 19.0]
    assert len(said) == 1
    assert "second 2, 12 " in said[0]


@pytest.mark.parametrize("kind", [*BARE[:-1], *TIMED[:-2], *STREAMS, *PLAIN], ids=str)
def test_a_file_that_breaks_off(written: Callable[[Kind], bytes], kind: Kind) -> None:
    data, said = written(kind), list[str]()
    read_audio(data, on_warning=said.append)
    assert said == []
    samples = read_audio(data[: int(len(data) * 0.6)], on_warning=said.append)
    assert clicks_in(samples) == [1.0, 5.0, 10.0]
    assert len(said) == 1
    assert any(f"breaks off at second {second}" in said[0] for second in (11, 12))


def test_songs_that_were_joined_are_whole(written: Callable[[Kind], bytes]) -> None:
    plain = written(BARE[2])
    cover = b"ID3\x04\0\0\0\0\x60\0" + np.random.default_rng(0).bytes(0x60 << 7)
    for data in (written(BARE[0]) * 2, plain + b"TAG" + bytes(125) + cover + plain):
        said: list[str] = []
        assert len(read_audio(data, on_warning=said.append)) == pytest.approx(40 * RATE, rel=0.01)
        assert said == []


def test_a_scene_that_was_cut_out_of_a_film_is_whole() -> None:
    said: list[str] = []
    read_audio(real_media.film("Megamind"), end=5.0, on_warning=said.append)
    assert said == []


def test_a_recording_into_a_pipe_is_whole(written: Callable[[Kind], bytes]) -> None:
    data, said = bytearray(written(PLAIN[0])), list[str]()
    data[4:8] = b"\xff\xff\xff\xff"
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"
    assert len(read_audio(bytes(data), on_warning=said.append)) == 20 * RATE
    assert said == []
