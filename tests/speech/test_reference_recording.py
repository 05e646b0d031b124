"""The recording whose voice is imitated is cut down to speech, and refused where it holds too little of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import InputError
from sensorium.media.audio import read_audio, write_audio
from sensorium.speech.reference_recording import find_reference
from tests import real_media
from tests.films import truncated
from tests.speech.conftest import SAMPLE_RATE, joined_clips, silence


def written(folder: Path, *parts: np.ndarray, name: str = "voice.flac") -> Path:
    return write_audio(np.concatenate(parts), folder / name, SAMPLE_RATE)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(real_media.speech_clips("en")[0].path)


def test_silence_is_cut_off(tmp_path: Path, speech: np.ndarray) -> None:
    found = find_reference(written(tmp_path, silence(8), speech, silence(8)), whole=True)
    assert 5 < len(found.speech) / SAMPLE_RATE < 7.5
    assert found.spans[0].start / SAMPLE_RATE == pytest.approx(8, abs=0.6)


def test_other_sample_rates_hold_the_same_stretch(tmp_path: Path, speech: np.ndarray) -> None:
    found = find_reference(written(tmp_path, silence(8), speech, silence(3), speech), whole=True)
    for rate in (24_000, 44_100):
        samples = found.samples(rate)
        assert len(samples) / rate == pytest.approx(len(found.speech) / SAMPLE_RATE, abs=0.01)
        loudness = [np.sqrt((part**2).mean()) for part in (samples, found.speech)]
        assert loudness[0] == pytest.approx(loudness[1], rel=0.05)


def test_of_a_long_recording_the_beginning_is_used(tmp_path: Path) -> None:
    samples, _ = joined_clips("en", pause=0.5)
    path = written(tmp_path, samples)
    assert 10 < len(find_reference(path, whole=False).speech) / SAMPLE_RATE <= 30
    with pytest.raises(InputError, match="more than 30 seconds"):
        find_reference(path, whole=True)


def test_the_sound_track_of_a_film_and_bytes_are_recordings(tmp_path: Path, speech: np.ndarray) -> None:
    assert len(find_reference(real_media.film("Megamind"), whole=False).speech) > 3 * SAMPLE_RATE
    data = written(tmp_path, speech, name="voice.mp3").read_bytes()
    assert len(find_reference(data, whole=True).samples(24_000)) > 5 * 24_000


def test_a_damaged_recording_comes_with_a_warning(tmp_path: Path, speech: np.ndarray) -> None:
    whole = write_audio(speech, tmp_path / "whole.mp3", SAMPLE_RATE)
    told: list[str] = []
    find_reference(truncated(whole, tmp_path / "cut.mp3", 0.7), whole=False, on_warning=told.append)
    assert any("cut.mp3" in sentence for sentence in told)


def test_what_is_no_recording_of_a_voice_is_refused(tmp_path: Path, speech: np.ndarray) -> None:
    with pytest.raises(InputError, match="Nobody speaks"):
        find_reference(written(tmp_path, silence(6)), whole=False)
    with pytest.raises(InputError, match=r"holds 0\.2 seconds"):
        find_reference(written(tmp_path, speech[16_000:19_200]), whole=False)
    with pytest.raises(InputError, match=r"holds 1\.\d seconds of speech only"):
        find_reference(written(tmp_path, silence(2), speech[16_000:32_000], silence(2)), whole=False)
    fake = tmp_path / "voice.wav"
    fake.write_text("not sound")
    with pytest.raises(InputError, match=r"voice\.wav"):
        find_reference(fake, whole=False)
    with pytest.raises(InputError, match=r"nowhere\.wav"):
        find_reference(tmp_path / "nowhere.wav", whole=False)
