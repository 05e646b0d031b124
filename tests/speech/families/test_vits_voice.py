"""VITS and MMS-TTS: equal to transformers on a tiny checkpoint, and careful about what the voice was never taught."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import InputError, MissingDependencyError, ModelUnavailableError, UnsupportedError
from sensorium.media.audio import read_audio
from sensorium.speech.text_to_speech import TextToSpeech
from tests.checkpoints.speech import tiny_vits
from tests.speech.conftest import comment_of

TEXT = "Hello, this is a text-to-speech example."


@pytest.fixture(scope="module")
def folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("vits")


@pytest.fixture(scope="module")
def vits(folder: Path) -> TextToSpeech:
    return TextToSpeech(folder)


def test_the_waveform_is_that_of_transformers(
    vits: TextToSpeech, folder: Path, parity: Callable[[str, str, str], None]
) -> None:
    import torch
    from transformers import AutoTokenizer, VitsModel, set_seed

    (chunk,) = vits.stream(TEXT, seed=555)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = VitsModel.from_pretrained(folder)
    set_seed(555)
    with torch.no_grad():
        theirs = model(**tokenizer(TEXT, return_tensors="pt")).waveform[0].numpy()
    assert chunk.sample_rate == model.config.sampling_rate == 16_000
    assert chunk.samples.shape == theirs.shape
    difference = np.abs(chunk.samples - theirs).max()
    assert difference <= 1e-4 < np.abs(theirs).max()
    parity("vits", "VitsModel(**VitsTokenizer(text)).waveform, same seed", f"largest difference {difference:.1g}")


def test_a_hub_id_and_the_hubs_cache_lead_to_the_same_voice(
    vits: TextToSpeech, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789012345678901234567890123456789"
    repository = tmp_path / "models--facebook--mms-tts-deu"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ours = TextToSpeech("facebook/mms-tts-deu")
    assert ours.model == "facebook/mms-tts-deu"
    assert np.array_equal(next(ours.stream(TEXT, seed=1)).samples, next(vits.stream(TEXT, seed=1)).samples)


def test_sentences_speed_and_seed(vits: TextToSpeech) -> None:
    import torch

    chunks = list(vits.stream("Dr. Smith is in. He waits!\nCome soon", seed=1))
    assert [chunk.text for chunk in chunks] == ["Doctor Smith is in.", "He waits!", "Come soon"]
    torch.manual_seed(7)
    first = torch.rand(1)
    torch.manual_seed(7)
    lengths = [len(next(vits.stream(TEXT, speed=speed, seed=1)).samples) for speed in (0.5, 1.0, 2.0)]
    assert torch.equal(torch.rand(1), first), "the process's own random numbers were disturbed"
    assert lengths[0] > 1.2 * lengths[1] > 1.2 * 1.2 * lengths[2]
    one, same, other = (next(vits.stream(TEXT, seed=seed)).samples for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_the_file_says_what_it_is(vits: TextToSpeech, tmp_path: Path) -> None:
    path = vits.synthesize(TEXT, tmp_path / "hello.wav", seed=11)
    assert len(read_audio(path)) > 500
    assert "Generated speech" in comment_of(path)
    assert "tiny-vits" in comment_of(path)
    assert "seed 11" in comment_of(path)


def test_numbers_accents_and_signs_are_read_or_taken_off(vits: TextToSpeech) -> None:
    texts = [chunk.text for chunk in vits.stream("Café: 12 “eggs” for $3 😀.", seed=1)]
    assert texts == ["Cafe: twelve eggs for three dollars ."]


@pytest.mark.parametrize("text", ["", "...!?", "😀 🎉", " \n"])
def test_a_text_without_words_is_refused(vits: TextToSpeech, text: str) -> None:
    with pytest.raises(InputError, match="no words"):
        vits.stream(text)


@pytest.mark.parametrize(
    ("text", "language", "named"),
    [
        ("你好", None, "Chinese"),
        ("Bonjour, je suis dans la maison avec les enfants.", None, "French"),
        ("Bonjour", "fr", "not French"),
        ("Bonjour", "fra", "not French"),
    ],
)
def test_another_language_is_refused(vits: TextToSpeech, text: str, language: str | None, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        vits.stream(text, language=language)


def test_voices_of_other_languages(tmp_path: Path) -> None:
    german = TextToSpeech(tiny_vits(tmp_path / "deu", language="deu", letters="abcdefghijklmnopqrstuvwxyzäöüß' -"))
    assert next(german.stream("Größe für alle", seed=1)).text == "Größe für alle"
    with pytest.raises(UnsupportedError, match="English"):
        german.stream("The house that you and I have is not for the people of this town.")
    assert next(german.stream("Um 8 Uhr, 50 %", seed=1)).text == "Um acht Uhr, fünfzig Prozent"
    quechua = TextToSpeech(tiny_vits(tmp_path / "quy", language="quy"))
    with pytest.raises(UnsupportedError, match="digits '8'"):
        quechua.stream("8 runa")
    assert list(quechua.stream("Allillanchu", language="quy", seed=1))
    with pytest.raises(UnsupportedError, match="letters '你好'"):
        quechua.stream("你好")


def test_a_language_read_in_latin_letters(tmp_path: Path) -> None:
    korean = TextToSpeech(tiny_vits(tmp_path / "kor", language="kor", is_uroman=True))
    with pytest.raises(UnsupportedError, match="uroman"):
        korean.stream("안녕하세요")
    assert list(korean.stream("annyeonghaseyo", seed=1))


def test_a_voice_that_reads_phonemes_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="phonemizer"):
        TextToSpeech(tiny_vits(tmp_path / "ljs", phonemize=True)).load()


def test_several_speakers(tmp_path: Path) -> None:
    several = TextToSpeech(tiny_vits(tmp_path / "vctk", speakers=3))
    usual, zero, two = (next(several.stream(TEXT, voice=voice, seed=1)).samples for voice in (None, "0", "2"))
    assert np.array_equal(usual, zero)
    assert usual.shape != two.shape or not np.allclose(usual, two)
    for wrong in ("3", "-1", "Anna"):
        with pytest.raises(InputError, match="from 0 to 2"):
            several.stream(TEXT, voice=wrong)


def test_one_voice_can_not_be_chosen_or_cloned(vits: TextToSpeech) -> None:
    with pytest.raises(UnsupportedError, match="one voice"):
        vits.stream(TEXT, voice="1")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_refused(folder: Path, dtype: str) -> None:
    with pytest.raises(UnsupportedError, match=dtype):
        TextToSpeech(folder, dtype=dtype).load()


def test_half_a_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    half = tmp_path / "half"
    shutil.copytree(folder, half)
    weights = load_file(half / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("flow")}, half / "model.safetensors"
    )
    with pytest.raises(ModelUnavailableError, match="weights are missing"):
        TextToSpeech(half).load()
    shutil.copy(folder / "model.safetensors", half)
    (half / "vocab.json").unlink()
    with pytest.raises(ModelUnavailableError, match="VitsTokenizer"):
        TextToSpeech(half).load()


def test_another_familys_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    with pytest.raises(UnsupportedError, match="whisper"):
        TextToSpeech(tmp_path).load()
