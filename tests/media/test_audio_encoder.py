"""Encoded sound piece by piece: joined, the pieces are the file that would have been written."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sensorium.errors import InputError
from sensorium.media.audio import probe_audio, read_audio, write_audio
from sensorium.media.audio_encoder import SOUND_FORMATS, encode_sound, streamed_format

RATE = 24_000
STREAMED = ["mp3", "opus", "aac", "flac", "wav"]


def tone(seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("name", STREAMED)
def test_joined_pieces_sound_like_the_file(name: str, tmp_path: Path) -> None:
    sound = tone(4.3)
    form = streamed_format(name)
    data = b"".join(encode_sound(np.array_split(sound, [1, 3000, 3000, 70_000]), RATE, form))
    path = write_audio(sound, tmp_path / f"tone{form.suffixes[0]}", RATE)
    heard, written = read_audio(data, sample_rate=RATE), read_audio(path, sample_rate=RATE)
    assert probe_audio(data).codec == probe_audio(path).codec
    # Without a table of contents, an MP3 can't say how many samples its encoder put before the sound.
    begin = 1105 if name == "mp3" else 0
    length = min(len(heard) - begin, len(written))
    assert length > 4.2 * RATE
    assert np.abs(heard[begin:][:length] - written[:length])[RATE // 4 : 4 * RATE].max() < 2e-3


def test_bare_samples_are_sixteen_bits_wide() -> None:
    sound = tone(1.0)
    data = b"".join(encode_sound([sound[:1000], sound[1000:]], RATE, streamed_format("pcm")))
    assert np.frombuffer(data, "<i2") / 2**15 == pytest.approx(sound, abs=1e-4)


@pytest.mark.parametrize("name", [*STREAMED, "pcm"])
def test_each_piece_comes_before_the_next_block_is_asked_for(name: str) -> None:
    asked: list[int] = []

    def blocks() -> Iterator[np.ndarray[Any, Any]]:
        for number in range(20):
            asked.append(number)
            yield tone(1.0)

    pieces = encode_sound(blocks(), RATE, streamed_format(name))
    sizes = []
    for expected in (1, 2, 3):
        sizes.append(len(next(pieces)))
        assert len(asked) == expected
    assert min(sizes[1:]) > 1000
    pieces.close()
    assert len(asked) == 3
    assert list(pieces) == []


@pytest.mark.parametrize("name", STREAMED)
def test_tags_are_in_the_pieces(name: str) -> None:
    pieces = encode_sound([tone(0.5)], RATE, streamed_format(name), metadata={"comment": "made by a machine"})
    data = b"".join(pieces)
    with av.open(io.BytesIO(data)) as container:
        tags = {**container.metadata, **container.streams.audio[0].metadata}
    assert "made by a machine" in tags.values()


def test_formats_have_media_types_and_rates() -> None:
    assert {name: SOUND_FORMATS[name].media_type for name in ("mp3", "opus", "wav")} == {
        "mp3": "audio/mpeg",
        "opus": "audio/ogg",
        "wav": "audio/wav",
    }
    assert streamed_format("opus").encoded_rate(22_050) == 24_000
    assert streamed_format("wav").encoded_rate(22_050) == 22_050
    assert streamed_format("mp3").encoded_rate(96_000) == 48_000
    assert streamed_format(".MP3").name == "mp3"


@pytest.mark.parametrize("name", ["m4a", "midi", ""])
def test_what_can_not_be_streamed_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="mp3") as caught:
        streamed_format(name)
    assert repr(name) in str(caught.value)


def test_a_rate_or_a_block_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="rate"):
        next(encode_sound([tone(1.0)], 10, streamed_format("wav")))
    with pytest.raises(InputError, match="not numbers"):
        list(encode_sound([tone(1.0), np.array([np.nan])], RATE, streamed_format("wav")))
