"""Dia: equal to transformers on a tiny checkpoint, alone and after a reference recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.speech.reference_recording import find_reference
from sensorium.speech.text_to_speech import TextToSpeech
from sensorium.speech.voice import Reference
from tests import real_media

TEXT = "Hi."
FRAMES = int(44_100 / 512 * (2 + len(TEXT) / 8))


@pytest.fixture
def folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("dia")


@pytest.fixture
def dia(folder: Path, components: None) -> TextToSpeech:
    return TextToSpeech(folder)


def reference_waveform(folder: Path, codec: Path, text: str, audio: Any, seed: int) -> np.ndarray:
    from transformers import (
        DacModel,
        DiaFeatureExtractor,
        DiaForConditionalGeneration,
        DiaProcessor,
        DiaTokenizer,
        set_seed,
    )

    processor = DiaProcessor(
        DiaFeatureExtractor.from_pretrained(folder),
        DiaTokenizer.from_pretrained(folder),
        DacModel.from_pretrained(codec),
    )
    inputs = processor(text=[text], audio=audio, padding=True, return_tensors="pt", sampling_rate=44_100)
    model = DiaForConditionalGeneration.from_pretrained(folder)
    set_seed(seed)
    codes = model.generate(**inputs, max_new_tokens=FRAMES)
    given = None if audio is None else processor.get_audio_prompt_len(inputs["decoder_attention_mask"])
    return processor.batch_decode(codes, audio_prompt_len=given)[0].numpy()


def test_the_waveform_is_that_of_transformers(
    dia: TextToSpeech, folder: Path, tiny: Callable[[str], Path], parity: Callable[[str, str, str], None]
) -> None:
    (chunk,) = dia.stream(TEXT, seed=5)
    theirs = reference_waveform(folder, tiny("dac"), f"[S1] {TEXT}", None, 5)
    assert chunk.sample_rate == 44_100
    assert chunk.samples.shape == theirs.shape
    difference = np.abs(chunk.samples - theirs).max()
    assert difference <= 1e-4 < np.abs(theirs).max()
    parity("dia", "DiaForConditionalGeneration.generate + DiaProcessor", f"largest difference {difference:.1g}")


def test_a_voice_is_cloned_as_in_transformers(
    dia: TextToSpeech, folder: Path, tiny: Callable[[str], Path], parity: Callable[[str, str, str], None]
) -> None:
    clip = real_media.speech_clips("en")[0]
    speech = find_reference(clip.path, whole=True).samples(44_100)
    voice = dia.backend
    ours = voice.speak(TEXT, speaker=voice.imitate(Reference(speech, clip.text)), speed=1.0, seed=5, cancel=None)
    theirs = reference_waveform(folder, tiny("dac"), f"[S1] {clip.text} [S1] {TEXT}", speech, 5)
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs).max()
    assert difference <= 1e-4 < np.abs(theirs).max()
    backwards = voice.imitate(Reference(speech[::-1].copy(), clip.text))
    changed = voice.speak(TEXT, speaker=backwards, speed=1.0, seed=5, cancel=None)
    assert ours.shape != changed.shape or not np.allclose(ours, changed), "the reference changed nothing"
    parity("dia, cloning", "the same after the reference's text and audio", f"largest difference {difference:.1g}")


def test_marks_of_speakers_in_a_text_are_not_obeyed(dia: TextToSpeech) -> None:
    (chunk,) = dia.stream("[S2] Hi.", seed=1)
    assert chunk.text == "Hi."


def test_there_are_no_voices_to_choose_from(dia: TextToSpeech) -> None:
    with pytest.raises(UnsupportedError, match="clone"):
        dia.stream(TEXT, voice="Anna")


def test_a_missing_codec_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, sensorium_home: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="dac"):
        TextToSpeech(folder).load()
