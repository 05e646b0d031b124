"""Whisper checkpoints of the hub in the layout of transformers: converted once, and then the same recogniser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.media.audio import read_audio
from sensorium.models import catalog, store
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.checkpoints.speech import tiny_whisper
from tests.speech.conftest import silence

KINDS: dict[str, dict[str, Any]] = {
    "like whisper-tiny": {},
    "like large-v3-turbo, float16": {
        "mel_bands": 128,
        "decoder_layers": 1,
        "half": True,
    },
    "in shards": {"shard_size": "400KB"},
    "English only, like tiny.en": {"english_only": True},
}


@pytest.fixture(scope="module")
def tokenizer() -> Path:
    return store.locate(catalog.resolve("base", task="speech-to-text")) / "tokenizer.json"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Thirty seconds: shorter recordings are filled up in one way by transformers, in another by faster-whisper."""
    return np.resize(read_audio(real_media.speech_clips("en")[0].path), 480_000)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tokenizer: Path) -> Callable[[str], Path]:
    home = tmp_path_factory.mktemp("whisper")

    def folder(kind: str) -> Path:
        path = home / f"tiny-whisper-{list(KINDS).index(kind)}"
        return path if path.is_dir() else tiny_whisper(path, tokenizer, **KINDS[kind])

    return folder


@pytest.fixture
def plain(folders: Callable[[str], Path], sensorium_home: Path) -> Path:
    return folders("like whisper-tiny")


@pytest.mark.parametrize("kind", list(KINDS))
def test_greedy_tokens_are_those_of_transformers(
    kind: str,
    folders: Callable[[str], Path],
    speech: np.ndarray,
    sensorium_home: Path,
    parity: Callable[[str, str, str], None],
) -> None:
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    folder = folders(kind)
    english_only = "English" in kind
    with SpeechToText(folder, dtype="float32") as recogniser:
        backend = recogniser.backend
        assert backend.multilingual is not english_only
        assert backend.translates is (not english_only and "turbo" not in kind)
        encoded = backend.encode([speech], full=True)
        from faster_whisper.tokenizer import Tokenizer

        words = Tokenizer(
            backend._whisper.hf_tokenizer,
            backend.multilingual,
            task=None if english_only else "transcribe",
            language=None if english_only else "en",
        )
        prompt = [*words.sot_sequence, words.no_timestamps]
        # CTranslate2 leaves half of the length to the prompt.
        found = backend._whisper.model.generate(encoded.features, [prompt], beam_size=1, max_length=2 * 24)
        ours = found[0].sequences_ids[0]
        assert isinstance(recogniser.transcribe(speech[:48_000], "en").text, str)
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    features = WhisperFeatureExtractor.from_pretrained(folder)(speech, sampling_rate=16_000, return_tensors="pt")
    chosen = {} if english_only else {"language": "en", "task": "transcribe"}
    with torch.no_grad():
        # The conversion keeps float16, so the encoders differ by its rounding where weights were stored as float32.
        theirs_encoded = model.model.encoder(features.input_features).last_hidden_state.numpy()
        theirs = model.generate(features.input_features, max_new_tokens=24, num_beams=1, do_sample=False, **chosen)
    difference = np.abs(np.array(encoded.features) - theirs_encoded).max()
    assert difference < (1e-4 if "float16" in kind else 0.02) < np.abs(theirs_encoded).max()
    theirs_tokens = theirs[0].tolist()
    theirs_tokens = theirs_tokens[len(prompt) :] if theirs_tokens[: len(prompt)] == prompt else theirs_tokens
    end = words.eot
    assert [token for token in ours if token != end] == [token for token in theirs_tokens if token != end]
    assert len(ours) > 5
    parity(
        f"whisper, {kind}", "WhisperForConditionalGeneration.generate, greedy", f"token-identical ({len(ours)} tokens)"
    )


def test_a_hub_id_and_the_hubs_cache(
    plain: Path, speech: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789012345678901234567890123456789"
    repository = tmp_path / "models--someone--whisper-tiny-dialect"
    blobs = repository / "blobs"
    snapshot = repository / "snapshots" / commit
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in plain.iterdir():
        shutil.copy(file, blobs / file.name)
        (snapshot / file.name).symlink_to(blobs / file.name)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with SpeechToText("someone/whisper-tiny-dialect") as recogniser:
        result = recogniser.transcribe(speech[:48_000], "en")
    assert result.model == "someone/whisper-tiny-dialect"


def test_a_conversion_is_done_once_and_again_when_the_files_change(
    plain: Path, sensorium_home: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(plain, tmp_path / "mine")
    for _ in range(2):
        SpeechToText(folder).load().close()
        kept = list((sensorium_home / "derived" / "mine").iterdir())
        assert len(kept) == 1
    (folder / "config.json").write_text((folder / "config.json").read_text())
    SpeechToText(folder).load().close()
    assert len(list((sensorium_home / "derived" / "mine").iterdir())) == 2


def test_an_interrupted_conversion_leaves_nothing(
    plain: Path, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium.speech.families import whisper_conversion

    def interrupted(_: Path, target: Path, **__: object) -> None:
        (target / "model.bin").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(whisper_conversion, "_convert", interrupted)
        with pytest.raises(KeyboardInterrupt):
            SpeechToText(plain).load()
    assert not [path for path in (sensorium_home / "derived").rglob("*") if path.is_file()]
    SpeechToText(plain).load().close()


def test_a_repository_without_a_feature_extractor_is_enough(
    folders: Callable[[str], Path], speech: np.ndarray, tmp_path: Path, sensorium_home: Path
) -> None:
    folder = tmp_path / "bare"
    kind = "like large-v3-turbo, float16"
    shutil.copytree(folders(kind), folder, ignore=shutil.ignore_patterns("preprocessor_config.json"))
    with SpeechToText(folder) as recogniser:
        recogniser.transcribe(speech[:48_000], "en")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("model-00002-of-*.safetensors", "model-00002"),
        ("tokenizer.json", "tokenizer"),
        ("model.safetensors.index.json", "damaged|missing"),
    ],
)
def test_half_a_checkpoint_is_refused(
    folders: Callable[[str], Path], tmp_path: Path, sensorium_home: Path, missing: str, named: str
) -> None:
    folder = tmp_path / "half"
    shutil.copytree(folders("in shards"), folder, ignore=shutil.ignore_patterns(missing, "tokenizer_config.json"))
    with pytest.raises(ModelUnavailableError, match=named):
        SpeechToText(folder).transcribe(silence(1))
    assert not [path for path in sensorium_home.rglob("*") if path.suffix == ".bin"]


def test_a_pickled_checkpoint_is_refused(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(plain, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(ModelUnavailableError, match="pickle"):
        SpeechToText(folder).load()


def test_what_is_no_whisper_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForSequenceClassification"]})
    )
    with pytest.raises(UnsupportedError, match="'wav2vec2'"):
        SpeechToText(tmp_path).transcribe(silence(1))
