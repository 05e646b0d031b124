"""Recorded speech and the starter recogniser, shared by the tests of this folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
import numpy as np
import pytest

from sensorium.media.audio import read_audio
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.text_to_speech import TextToSpeech
from tests import real_media
from tests.checkpoints import speech as checkpoints

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


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Takes the name of a tiny checkpoint, such as "vits", and returns its folder; each is built once."""
    home = tmp_path_factory.mktemp("checkpoints")

    def folder(name: str) -> Path:
        path = home / f"tiny-{name.replace('_', '-')}"
        return path if path.is_dir() else getattr(checkpoints, f"tiny_{name}")(path)

    return folder


@pytest.fixture
def components(tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny checkpoints in the place of the vocoder, the speaker encoder and the codec of the hub."""
    parts = {
        "microsoft/speecht5_hifigan": "hifigan",
        "microsoft/wavlm-base-plus-sv": "speaker_encoder",
        "descript/dac_44khz": "dac",
    }
    used = ",".join(f"{name}={tiny(part)}" for name, part in parts.items())
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", used)


def comment_of(file: str | Path | BinaryIO) -> str:
    """Return what the metadata of a sound file says about its origin."""
    with av.open(str(file) if isinstance(file, Path) else file) as container:
        tags = {**container.metadata, **container.streams.audio[0].metadata}
    return {key.lower(): value for key, value in tags.items()}["comment"]
