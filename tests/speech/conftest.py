"""Recorded speech and the starter recogniser, shared by the tests of this folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensorium.media.audio import read_audio
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.text_to_speech import TextToSpeech
from tests import real_media

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def joined_clips(language: str, pause: float = 1.2) -> tuple[NDArray[np.float32], str]:
    """Return all recordings in a language one after the other, with their reference text."""
    clips = real_media.speech_clips(language)
    samples = [part for clip in clips for part in (read_audio(clip.path), silence(pause))]
    return np.concatenate(samples), " ".join(clip.text for clip in clips)


def words_of(text: str) -> str:
    """Reduce a text to the words that count in a word error rate: no case, no punctuation."""
    plain = unicodedata.normalize("NFKC", text.lower()).replace("ё", "е").replace("’", "'")
    return " ".join(re.sub(r"[^\w\s']", " ", plain).split())


@pytest.fixture(scope="session")
def recogniser() -> Iterator[SpeechToText]:
    with SpeechToText() as speech_to_text:
        yield speech_to_text


@pytest.fixture(scope="session")
def voice() -> Iterator[TextToSpeech]:
    with TextToSpeech() as text_to_speech:
        yield text_to_speech
