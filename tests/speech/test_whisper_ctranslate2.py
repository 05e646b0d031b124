"""The recogniser's backend: checkpoints from the hub, and the guard against repetition."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.models import catalog, store
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.whisper_ctranslate2 import Recognition, SpokenWord, _loops, _without_squeezed
from tests.speech.conftest import silence


@pytest.fixture(scope="module")
def transformers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper of a few thousand weights in the hub's own layout, with the real tokenizer."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    folder = tmp_path_factory.mktemp("hub") / "tiny-whisper"
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    model = WhisperForConditionalGeneration(WhisperConfig(vocab_size=51865, **sizes, **layers))
    model.generation_config.alignment_heads = [[0, 0], [0, 1]]
    model.generation_config.suppress_tokens = [1, 2]
    model.generation_config.begin_suppress_tokens = [220, 50257]
    model.generation_config.lang_to_id = {"<|en|>": 50259, "<|fr|>": 50265}
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    starter = store.locate(catalog.resolve("base", task="speech-to-text"))
    shutil.copy(starter / "tokenizer.json", folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "WhisperTokenizerFast"}))
    return folder


def test_a_checkpoint_of_transformers_is_converted_and_equal(transformers_folder: Path, sensorium_home: Path) -> None:
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    samples = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    with SpeechToText(transformers_folder, dtype="float32") as recogniser:
        ours = np.array(recogniser.backend.encode([samples], full=True).features)
        assert recogniser.model == "tiny-whisper"
        assert isinstance(recogniser.transcribe(samples, "en").text, str)
    model = WhisperForConditionalGeneration.from_pretrained(transformers_folder)
    features = WhisperFeatureExtractor(feature_size=80)(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        theirs = model.model.encoder(features.input_features).last_hidden_state.numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() < 0.01 < 0.3 < np.abs(theirs).mean(), "apart by more than float16 rounding"
    assert len(list((sensorium_home / "derived").iterdir())) == 1


def test_a_folder_that_is_no_whisper_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UnsupportedError, match="bert"):
        SpeechToText(tmp_path).transcribe(silence(1))
    (tmp_path / "model.bin").write_bytes(b"not weights")
    with pytest.raises(ModelUnavailableError, match="damaged"):
        SpeechToText(tmp_path).transcribe(silence(1))


def test_two_objects_share_one_set_of_weights(recogniser: SpeechToText) -> None:
    with SpeechToText("base") as other:
        assert other.backend is recogniser.backend


def recognised(words: list[tuple[str, float]], compression: float) -> Recognition:
    spoken = []
    now = 0.0
    for text, seconds in words:
        spoken.append(SpokenWord(text, now, now + seconds, 0.9))
        now += seconds
    return Recognition(tuple(spoken), -0.2, 0.0, compression)


def test_repetition_that_takes_no_time_is_a_loop_and_repetition_that_takes_time_is_speech() -> None:
    said = recognised([(" again", 0.4)] * 40, compression=8.0)
    assert not _loops(said)
    looped = recognised([(" You", 0.3), (" know", 0.3), *[(" you know", 0.0)] * 80], compression=12.0)
    assert _loops(looped)
    assert "".join(word.text for word in _without_squeezed(looped).words) == " You know"
    plain = recognised([(" a", 0.0), (" b", 0.4)], compression=1.1)
    assert not _loops(plain)
