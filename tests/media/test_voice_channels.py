"""Several channels become one by what is spoken into them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sensorium.media.audio import read_audio, stream_audio
from sensorium.media.channels import Channels
from sensorium.media.voice_channels import mixed_by_voices
from tests import real_media
from tests.media.test_audio import encode
from tests.sound_tracks import RATE, with_channels

Samples = NDArray[np.float64]

CLIPS = sorted(real_media.speech_clips("en"), key=lambda clip: clip.path.stat().st_size)


def at_level(samples: NDArray[np.floating]) -> Samples:  # type: ignore[type-arg]
    return np.asarray(samples / np.sqrt(np.mean(np.square(samples))) * 0.06)


def noise(length: int, seed: int = 1) -> Samples:
    return at_level(np.random.default_rng(seed).standard_normal(length))


@pytest.fixture(scope="module")
def speech() -> Samples:
    return at_level(read_audio(CLIPS[2].path))


@pytest.fixture(scope="module")
def reply() -> Samples:
    return at_level(read_audio(CLIPS[3].path))


@pytest.fixture(scope="module")
def music(speech: Samples) -> Samples:
    return at_level(np.resize(read_audio(real_media.music(), end=20), len(speech)))


def likeness(samples: NDArray[np.float32], voice: Samples) -> float:
    """Return which part of what is heard is the voice, from 0 to 1."""
    return float(abs(np.corrcoef(samples, voice)[0, 1]))


def read_both(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return read_audio(path), read_audio(path, voices=True)


def test_channels_that_agree_become_their_mean_bit_by_bit(tmp_path: Path, speech: Samples, music: Samples) -> None:
    shifted = np.roll(music, 900)
    hall = speech + 0.4 * np.roll(speech, 320)
    for channels in (
        [speech, speech],
        [speech, 0.3 * speech],
        [speech, 0 * speech],
        [speech + 0.3 * music, speech + 0.3 * shifted],
        [hall, np.roll(hall, 40)],
        [music, shifted],
        [0 * speech, 0 * speech],
        [speech] * 6,
    ):
        mean, mixed = read_both(with_channels(tmp_path / "channels.wav", channels))
        assert np.array_equal(mixed, mean)


def test_two_people_with_a_microphone_each_become_the_mean(tmp_path: Path, speech: Samples, reply: Samples) -> None:
    left, right = np.append(speech, 0 * reply), np.append(0 * speech, reply)
    air = 0.01 * noise(len(left))
    mean, mixed = read_both(with_channels(tmp_path / "talk.wav", [left + air, right + air[::-1]]))
    assert np.array_equal(mixed, mean)


@pytest.mark.parametrize("channels", [2, 6, 8])
def test_opposite_phases_do_not_cancel(tmp_path: Path, speech: Samples, channels: int) -> None:
    pair = [speech, -speech]
    mean, mixed = read_both(with_channels(tmp_path / "opposite.wav", pair * (channels // 2)))
    assert np.abs(mean).max() < 0.001
    assert likeness(mixed, speech) > 0.99
    assert np.std(mixed) == pytest.approx(np.std(speech), rel=0.1)


def test_opposite_phases_with_hum_and_noise(tmp_path: Path, speech: Samples) -> None:
    hum = 0.05 * np.sin(2 * np.pi * 50 * np.arange(len(speech)) / RATE)
    left, right = speech + 0.05 * noise(len(speech)), -speech + 0.05 * noise(len(speech), seed=2)
    mixed = read_audio(with_channels(tmp_path / "hum.wav", [left + hum, right + hum]), voices=True)
    assert likeness(mixed, speech) > 0.99


def test_what_cancels_to_leave_a_voice_goes_on_cancelling(tmp_path: Path, speech: Samples) -> None:
    loud = 3 * noise(len(speech))
    mean, mixed = read_both(with_channels(tmp_path / "balanced.wav", [speech + loud, speech - loud]))
    assert likeness(mean, speech) > 0.99
    assert np.array_equal(mixed, mean)


@pytest.mark.parametrize("place", [0, 1, 5, 7])
def test_noise_in_the_other_channels_is_left_out(tmp_path: Path, speech: Samples, place: int) -> None:
    channels = [noise(len(speech), seed) for seed in range(2 if place < 2 else place + 1)]
    channels[place] = speech
    mean, mixed = read_both(with_channels(tmp_path / "noise.wav", channels))
    assert likeness(mean, speech) < 0.8
    assert likeness(mixed, speech) > 0.98


def test_the_one_in_the_middle_is_heard_over_music(tmp_path: Path, speech: Samples, music: Samples) -> None:
    around = [music, np.roll(music, 900), speech, 0.3 * music, 0.5 * music, 0.5 * np.roll(music, 700)]
    mean, mixed = read_both(with_channels(tmp_path / "surround.wav", around))
    assert likeness(mixed, speech) > likeness(mean, speech) + 0.2


def in_surround(path: Path, channels: list[Samples]) -> Path:
    """Write FLAC with the channels of a film: left, right, centre, bass, left behind, right behind."""
    whole = np.round(np.clip(np.stack(channels, axis=1), -1, 1) * 32_767).astype(np.int16).reshape(1, -1)
    return encode(path, whole, RATE, codec="flac", layout="5.1", form="s16")


def test_the_channel_of_the_bass_is_heard_only_if_somebody_speaks_into_it(
    tmp_path: Path, speech: Samples, music: Samples
) -> None:
    path = tmp_path / "film.flac"
    nothing = 0 * speech
    bass = at_level(np.sin(2 * np.pi * 60 * np.arange(len(speech)) / RATE))
    mean, mixed = read_both(in_surround(path, [nothing, nothing, speech, bass, nothing, nothing]))
    assert np.array_equal(mixed, mean)
    assert likeness(mixed, speech) > 0.99
    mean, mixed = read_both(in_surround(path, [nothing, nothing, nothing, speech, nothing, nothing]))
    assert np.abs(mean).max() == 0
    assert likeness(mixed, speech) > 0.9
    mean, mixed = read_both(in_surround(path, [music, np.roll(music, 900), speech, bass, nothing, nothing]))
    assert likeness(mixed, speech) > likeness(mean, speech) + 0.1


def test_a_noisy_channel_is_heard_when_somebody_speaks_into_it(tmp_path: Path, speech: Samples, reply: Samples) -> None:
    left, right = np.append(speech, 0 * reply), np.append(0 * speech, reply)
    channels = [left, right + 0.3 * noise(len(left))]
    mixed = read_audio(with_channels(tmp_path / "noisy.wav", channels), voices=True)
    assert likeness(mixed[: len(speech)], speech) > 0.98
    assert likeness(mixed[len(speech) :], reply) > 0.9


def test_windows_and_blocks_hear_what_the_whole_hears(tmp_path: Path, speech: Samples) -> None:
    voice = np.tile(speech, 9)
    assert len(voice) > 25 * RATE
    path = with_channels(tmp_path / "long.wav", [voice, noise(len(voice))])
    whole = read_audio(path, voices=True)
    assert likeness(whole, voice) > 0.98
    assert np.array_equal(np.concatenate(list(stream_audio(path, block_seconds=3, voices=True))), whole)
    for start, end in ((0.0, 2.5), (5.0, 12.0), (21.0, None)):
        part = read_audio(path, start=start, end=end, voices=True)
        first = round(start * RATE)
        assert likeness(part, voice[first : first + len(part)]) > 0.98


def test_no_more_than_a_part_is_held(speech: Samples) -> None:
    taken = []

    def endless() -> Iterator[Channels]:
        for number in count():
            taken.append(number)
            second = np.resize(speech, RATE).astype(np.float32)
            yield Channels(np.stack([second, -second]), (0.5, 0.5), RATE, number * RATE)

    mixed = mixed_by_voices(endless())
    first = next(mixed)
    assert len(taken) <= 20
    assert first.position == 0
    assert np.abs(first.samples).max() > 0.01
