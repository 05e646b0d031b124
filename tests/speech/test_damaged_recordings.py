"""What is missing or damaged in a recording is told with its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.media.audio import write_audio
from sensorium.speech.recognition_together import Outcome
from sensorium.speech.speech_to_text import DetectedLanguage, Recording, SpeechToText, Transcription
from tests import real_media
from tests.films import truncated
from tests.speech.conftest import SAMPLE_RATE, joined_clips

CLIP = real_media.speech_clips("en")[0].path


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three fifths of a download of recorded speech."""
    folder = tmp_path_factory.mktemp("recordings")
    samples, _ = joined_clips("en")
    return truncated(
        write_audio(samples[: 10 * SAMPLE_RATE], folder / "whole.mp3", SAMPLE_RATE), folder / "cut.mp3", 0.6
    )


def said_to_be_cut(result: Transcription | DetectedLanguage | Outcome) -> bool:
    assert isinstance(result, (Transcription, DetectedLanguage))
    return any("cut.mp3 breaks off at second 6 of 10" in sentence for sentence in result.warnings)


def test_the_words_of_a_cut_recording_come_with_a_warning(recogniser: SpeechToText, cut: Path) -> None:
    said = recogniser.transcribe(cut, language="en")
    assert said.text
    assert said_to_be_cut(said)
    assert said_to_be_cut(Transcription.from_dict(said.to_dict()))
    assert said_to_be_cut(recogniser.detect_language(cut))


def test_each_recording_has_its_own_warnings(recogniser: SpeechToText, cut: Path) -> None:
    whole, damaged = recogniser.transcribe_together([Recording(CLIP, "en"), Recording(cut, "en")])
    assert isinstance(whole, Transcription)
    assert whole.warnings == ()
    assert said_to_be_cut(damaged)
