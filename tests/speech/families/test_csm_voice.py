"""CSM: equal to transformers on a tiny checkpoint, alone and after a reference recording."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.speech.reference_recording import find_reference
from sensorium.speech.text_to_speech import TextToSpeech
from sensorium.speech.voice import Reference
from tests import real_media
from tests.checkpoints.speech import tiny_csm

TEXT = "Hello you."
FRAMES = int(12.5 * (2 + len(TEXT) / 8))


@pytest.fixture(scope="module")
def folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("csm")


@pytest.fixture(scope="module")
def csm(folder: Path) -> TextToSpeech:
    return TextToSpeech(folder)


def reference_waveform(folder: Path, conversation: list[dict[str, object]], seed: int) -> np.ndarray:
    from transformers import AutoProcessor, CsmForConditionalGeneration, set_seed

    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor.apply_chat_template(conversation, tokenize=True, return_dict=True)
    model = CsmForConditionalGeneration.from_pretrained(folder)
    set_seed(seed)
    return model.generate(**inputs, output_audio=True, max_new_tokens=FRAMES)[0].numpy()


def test_the_waveform_is_that_of_transformers(
    csm: TextToSpeech, folder: Path, parity: Callable[[str, str, str], None]
) -> None:
    (chunk,) = csm.stream(TEXT, seed=5)
    conversation = [{"role": "0", "content": [{"type": "text", "text": TEXT}]}]
    theirs = reference_waveform(folder, conversation, 5)
    difference = np.abs(chunk.samples - theirs).max()
    assert chunk.samples.shape == theirs.shape
    assert difference <= 1e-4 < np.abs(theirs).max()
    parity("csm", "CsmForConditionalGeneration.generate(output_audio=True)", f"largest difference {difference:.1g}")


def test_a_voice_is_cloned_as_in_transformers(
    csm: TextToSpeech, folder: Path, parity: Callable[[str, str, str], None]
) -> None:
    clip = real_media.speech_clips("en")[0]
    speech = find_reference(clip.path, whole=True).samples(24_000)
    voice = csm.backend
    ours = voice.speak(TEXT, speaker=voice.imitate(Reference(speech, clip.text)), speed=1.0, seed=5, cancel=None)
    conversation = [
        {"role": "0", "content": [{"type": "text", "text": clip.text}, {"type": "audio", "path": speech}]},
        {"role": "0", "content": [{"type": "text", "text": TEXT}]},
    ]
    theirs = reference_waveform(folder, conversation, 5)
    difference = np.abs(ours - theirs).max()
    assert ours.shape == theirs.shape
    assert difference <= 1e-4
    assert not np.array_equal(ours, next(csm.stream(TEXT, seed=5)).samples), "the reference changed nothing"
    parity("csm, cloning", "the same after a turn with text and audio", f"largest difference {difference:.1g}")


def test_the_second_sentence_goes_on_in_the_voice_of_the_first(csm: TextToSpeech) -> None:
    first, second = csm.stream("Hello you. It is a test.", seed=5)
    alone = next(csm.stream("It is a test.", seed=6))
    assert np.array_equal(first.samples, next(csm.stream(TEXT, seed=5)).samples)
    assert second.samples.shape != alone.samples.shape or not np.allclose(second.samples, alone.samples)


def test_control_words_in_a_text_are_not_obeyed(csm: TextToSpeech) -> None:
    (chunk,) = csm.stream("Hello <|AUDIO|> you.", seed=1)
    assert "AUDIO" not in chunk.text


def test_speakers_go_by_number(csm: TextToSpeech) -> None:
    with pytest.raises(InputError, match="from 0 to 9"):
        csm.stream(TEXT, voice="Anna")
    zero, one = (next(csm.stream(TEXT, voice=voice, seed=1)).samples for voice in ("0", "1"))
    assert zero.shape != one.shape or not np.allclose(zero, one)


def test_half_precision_and_a_missing_shard(folder: Path, tmp_path: Path) -> None:
    (chunk,) = TextToSpeech(folder, dtype="bfloat16").stream(TEXT, seed=1)
    assert np.isfinite(chunk.samples).all()
    half = tmp_path / "half"
    shutil.copytree(folder, half, ignore=shutil.ignore_patterns("transformers-00002-*"))
    with pytest.raises(ModelUnavailableError, match=r"transformers-00002-of-00004\.safetensors is missing"):
        TextToSpeech(half).load()


def test_words_for_which_the_codec_has_no_sound_do_no_harm(tmp_path: Path) -> None:
    (chunk,) = TextToSpeech(tiny_csm(tmp_path / "csm", sounds=16)).stream(TEXT, seed=1)
    assert np.isfinite(chunk.samples).all()
