"""What is said in files with several sound tracks, or with channels that can't simply be added."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av.stream import Disposition
from jiwer import wer
from numpy.typing import NDArray

from sensorium.errors import InputError
from sensorium.media.audio import read_audio
from sensorium.speech.reference_recording import find_reference
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.refusals import refused
from tests.sound_tracks import RATE, Track, with_channels, with_tracks
from tests.speech.conftest import words_of

ENGLISH = sorted(real_media.speech_clips("en"), key=lambda clip: clip.path.stat().st_size)[2]
FRENCH = real_media.speech_clips("fr")[0]


@pytest.fixture(scope="module")
def english() -> NDArray[np.float32]:
    return read_audio(ENGLISH.path)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, english: NDArray[np.float32]) -> Path:
    """Return a film in French, which a player plays, and in English."""
    return with_tracks(
        tmp_path_factory.mktemp("films") / "film.mkv",
        Track(read_audio(FRENCH.path), "fre", disposition=Disposition.default),
        Track(english, "eng"),
    )


def wrong(text: str) -> float:
    return float(wer(words_of(ENGLISH.text), words_of(text)))


def test_a_silent_first_track(recogniser: SpeechToText, tmp_path: Path, english: NDArray[np.float32]) -> None:
    path = with_tracks(tmp_path / "screen.mp4", Track(np.zeros(9 * RATE, np.float32)), Track(english))
    said = recogniser.transcribe(path, "en")
    assert wrong(said.text) < 0.2
    (warning,) = said.warnings
    assert "screen.mp4 has 2 sound tracks" in warning


def test_the_language_that_is_asked_for_chooses_the_track(recogniser: SpeechToText, film: Path) -> None:
    assert wrong(recogniser.transcribe(film, "en").text) < 0.2
    assert recogniser.detect_language(film).language == "fr"
    assert recogniser.detect_language(film).warnings


def test_the_track_that_is_named(recogniser: SpeechToText, film: Path) -> None:
    named = recogniser.transcribe(film, track="en")
    assert (named.language, named.warnings) == ("en", ())
    assert recogniser.detect_language(film, track=2).language == "en"
    with refused(InputError, "film.mkv", "3"):
        recogniser.transcribe(film, track=3)
    with refused(InputError, "Samples"):
        recogniser.transcribe(np.zeros(RATE, np.float32), track=1)


def test_opposite_phases_and_noise(recogniser: SpeechToText, tmp_path: Path, english: NDArray[np.float32]) -> None:
    noise = np.random.default_rng(1).standard_normal(len(english)) * np.std(english)
    for other in (-english, noise):
        said = recogniser.transcribe(with_channels(tmp_path / "recording.wav", [english, other]), "en")
        assert wrong(said.text) < 0.2


def test_a_voice_is_taken_from_the_track_in_which_somebody_speaks(tmp_path: Path, english: NDArray[np.float32]) -> None:
    path = with_tracks(tmp_path / "screen.mp4", Track(np.zeros(9 * RATE, np.float32)), Track(english))
    found = find_reference(path, whole=False)
    assert len(found.speech) > 3 * RATE
    assert np.std(found.samples(24_000)) == pytest.approx(np.std(found.speech), rel=0.1)
