"""SpeechT5: equal to transformers on a tiny checkpoint, in the voice of an x-vector or of a recording."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.media.limits import Limits
from sensorium.speech.reference_recording import find_reference
from sensorium.speech.text_to_speech import TextToSpeech
from sensorium.speech.voice import Reference
from tests import real_media

TEXT = "Hello, this is a test."


@pytest.fixture
def folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("speecht5")


@pytest.fixture
def speecht5(folder: Path, components: None) -> TextToSpeech:
    return TextToSpeech(folder)


@pytest.fixture(scope="module")
def vector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voices") / "speaker.npy"
    np.save(path, np.random.default_rng(0).normal(size=32).astype(np.float32))
    return path


def test_the_waveform_is_that_of_transformers(
    speecht5: TextToSpeech,
    folder: Path,
    tiny: Callable[[str], Path],
    vector: Path,
    parity: Callable[[str, str, str], None],
) -> None:
    import torch
    from transformers import SpeechT5ForTextToSpeech, SpeechT5HifiGan, SpeechT5Tokenizer, set_seed

    (chunk,) = speecht5.stream(TEXT, voice=str(vector), seed=555)
    model = SpeechT5ForTextToSpeech.from_pretrained(folder)
    vocoder = SpeechT5HifiGan.from_pretrained(tiny("hifigan"))
    tokens = SpeechT5Tokenizer.from_pretrained(folder)(TEXT, return_tensors="pt").input_ids
    set_seed(555)
    speaker = torch.from_numpy(np.load(vector))[None]
    theirs = model.generate(tokens, speaker_embeddings=speaker, vocoder=vocoder).numpy()
    assert chunk.samples.shape == theirs.shape
    difference = np.abs(chunk.samples - theirs).max()
    assert difference <= 1e-4 < np.abs(theirs).max()
    parity("speecht5", "SpeechT5ForTextToSpeech.generate(vocoder=…), same seed", f"largest difference {difference:.1g}")


def test_the_x_vector_of_a_recording_is_that_of_transformers(
    speecht5: TextToSpeech, tiny: Callable[[str], Path], parity: Callable[[str, str, str], None]
) -> None:
    import torch
    from transformers import AutoFeatureExtractor, WavLMForXVector

    speech = find_reference(real_media.speech_clips("en")[0].path, whole=False).speech
    ours = speecht5.backend.imitate(Reference(speech, ""))
    model = WavLMForXVector.from_pretrained(tiny("speaker_encoder"))
    inputs = AutoFeatureExtractor.from_pretrained(tiny("speaker_encoder"))(
        speech, sampling_rate=16_000, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = torch.nn.functional.normalize(model(**inputs).embeddings)
    difference = float((ours - theirs).abs().max())
    assert difference <= 1e-4
    parity("speecht5, cloning", "WavLMForXVector(**features).embeddings", f"largest difference {difference:.1g}")


def test_voices_differ_and_speed_keeps_the_seed(speecht5: TextToSpeech, vector: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npy"
    np.save(other, np.random.default_rng(1).normal(size=(1, 32)).astype(np.float32))
    usual, again, changed, quick = (
        next(speecht5.stream(TEXT, voice=str(voice), speed=speed, seed=1)).samples
        for voice, speed in ((vector, 1.0), (vector, 1.0), (other, 1.0), (vector, 2.0))
    )
    assert np.array_equal(usual, again)
    assert usual.shape != changed.shape or not np.allclose(usual, changed)
    assert len(quick) == pytest.approx(len(usual) / 2, rel=0.3, abs=800)


def test_without_a_voice_it_says_how_to_give_one(speecht5: TextToSpeech) -> None:
    with pytest.raises(UnsupportedError, match="x-vector"):
        speecht5.stream(TEXT)


@pytest.mark.parametrize("content", [b"text", np.zeros(7, np.float32), np.zeros(32, np.int64), np.full(32, np.nan)])
def test_a_file_that_is_no_x_vector_is_refused(
    speecht5: TextToSpeech, tmp_path: Path, content: bytes | np.ndarray
) -> None:
    path = tmp_path / "voice.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    with pytest.raises(InputError, match=r"voice\.npy"):
        speecht5.stream(TEXT, voice=str(path))
    with pytest.raises(InputError, match="nowhere"):
        speecht5.stream(TEXT, voice="nowhere.npy")


def test_limits_hold_for_files_with_voices(speecht5: TextToSpeech, tmp_path: Path) -> None:
    guarded = TextToSpeech(speecht5.checkpoint.folder, limits=Limits(allow_files=False))
    with pytest.raises(InputError) as refusal:
        guarded.stream(TEXT, voice=str(tmp_path / "voice.npy"))
    assert str(tmp_path) not in str(refusal.value)


def test_letters_that_it_was_never_taught_are_refused(speecht5: TextToSpeech, vector: Path) -> None:
    assert next(speecht5.stream("It's 3.", voice=str(vector), language="en", seed=1)).text == "It's three."
    with pytest.raises(UnsupportedError, match="digits '3'"):
        speecht5.stream("It's 3.", voice=str(vector))
    with pytest.raises(UnsupportedError, match="你好"):
        speecht5.stream("你好", voice=str(vector))


def test_a_missing_vocoder_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sensorium_home: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="speecht5_hifigan"):
        TextToSpeech(folder).load()
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"microsoft/speecht5_hifigan={tmp_path / 'empty'}")
    with pytest.raises(ModelUnavailableError, match="'empty'"):
        TextToSpeech(shutil.copytree(folder, tmp_path / "voice")).load()


def test_a_speecht5_for_another_task_is_refused(folder: Path, components: None, tmp_path: Path) -> None:
    other = tmp_path / "asr"
    shutil.copytree(folder, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"architectures": ["SpeechT5ForSpeechToText"]}))
    with pytest.raises(UnsupportedError, match="another task"):
        TextToSpeech(other).load()


def test_cancel_stops_in_the_middle_of_a_sentence(speecht5: TextToSpeech, vector: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    steps = 0
    prenet = speecht5.backend._model.speecht5.decoder.prenet

    def stop(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 2:
            cancel.set()

    handle = prenet.register_forward_hook(stop)
    # Weights that never end a sentence.
    head = speecht5.backend._model.speech_decoder_postnet.prob_out
    before = head.bias.data.clone()
    head.bias.data.fill_(-100.0)
    try:
        with pytest.raises(CancelledError):
            speecht5.synthesize(TEXT, tmp_path / "a.wav", voice=str(vector), seed=1, cancel=cancel)
    finally:
        handle.remove()
        head.bias.data.copy_(before)
    assert steps == 2
    assert list(tmp_path.iterdir()) == []


def test_a_sentence_that_never_ends_is_ended(speecht5: TextToSpeech, vector: Path) -> None:
    head = speecht5.backend._model.speech_decoder_postnet.prob_out
    before = head.bias.data.clone()
    head.bias.data.fill_(-100.0)
    try:
        # 20 frames a letter would be more than the decoder has positions for.
        (chunk,) = speecht5.stream("nothing is said here " * 3, voice=str(vector), seed=1)
    finally:
        head.bias.data.copy_(before)
    assert len(chunk.samples) / chunk.sample_rate > 5
