"""Bark: equal to transformers on a tiny checkpoint, with and without a preset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.speech.text_to_speech import TextToSpeech

TEXT = "Hello, this is a test."


@pytest.fixture(scope="module")
def folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("bark")


@pytest.fixture(scope="module")
def bark(folder: Path) -> TextToSpeech:
    return TextToSpeech(folder)


def test_the_waveform_is_that_of_transformers(
    bark: TextToSpeech, folder: Path, parity: Callable[[str, str, str], None]
) -> None:
    from transformers import BarkModel, BarkProcessor, set_seed

    (chunk,) = bark.stream(TEXT, voice="v2/de_speaker_1", language="en", seed=5)
    inputs = BarkProcessor.from_pretrained(folder)(TEXT, voice_preset="v2/de_speaker_1")
    model = BarkModel.from_pretrained(folder)
    set_seed(5)
    theirs = model.generate(**inputs).numpy().squeeze()
    assert chunk.samples.shape == theirs.shape
    difference = np.abs(chunk.samples - theirs).max()
    assert difference <= 1e-4 < np.abs(theirs).max()
    parity("bark", "BarkModel.generate(**BarkProcessor(text, voice_preset))", f"largest difference {difference:.1g}")


def test_the_usual_voice_is_the_checkpoints_best_known_one(bark: TextToSpeech) -> None:
    usual, named, other = (
        next(bark.stream(TEXT, voice=voice, seed=1)).samples for voice in (None, "v2/en_speaker_6", "v2/de_speaker_1")
    )
    assert np.array_equal(usual, named)
    assert usual.shape != other.shape or not np.allclose(usual, other)


def test_an_unknown_voice_is_refused_with_names(bark: TextToSpeech) -> None:
    with pytest.raises(InputError, match="v2/en_speaker_6"):
        bark.stream(TEXT, voice="Anna")


def test_a_language_it_does_not_speak_is_refused(bark: TextToSpeech) -> None:
    with pytest.raises(UnsupportedError, match="Swahili"):
        bark.stream("Habari", language="sw")


def test_it_speaks_without_presets(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("speaker_embeddings*"))
    voice = TextToSpeech(bare)
    assert list(voice.stream(TEXT, seed=1))
    with pytest.raises(InputError, match="speaker_embeddings"):
        voice.stream(TEXT, voice="v2/en_speaker_6")


@pytest.mark.parametrize(
    "member", ["../../secret.npy", "/etc/voice.npy", "speaker_embeddings/absent.npy", "config.json"]
)
def test_a_preset_that_leads_elsewhere_or_nowhere_is_refused(folder: Path, tmp_path: Path, member: str) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(folder, odd)
    np.save(tmp_path.parent / "secret.npy", np.zeros(3))
    index = json.loads((odd / "speaker_embeddings_path.json").read_text())
    index["v2/en_speaker_6"]["semantic_prompt"] = member
    (odd / "speaker_embeddings_path.json").write_text(json.dumps(index))
    with pytest.raises(ModelUnavailableError, match="missing or damaged"):
        TextToSpeech(odd).stream(TEXT)
