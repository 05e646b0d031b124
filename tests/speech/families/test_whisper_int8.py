"""Weights that are kept as int8 are the ones that CTranslate2 makes of float16 at each start."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from sensorium.media.audio import read_audio
from sensorium.models import catalog, store
from sensorium.speech.families import whisper_ctranslate2
from sensorium.speech.families.ctranslate2_file import UnknownFormatError
from sensorium.speech.families.whisper_int8 import write_int8
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media


@pytest.fixture(scope="module")
def original() -> Path:
    return store.locate(catalog.resolve("base", task="speech-to-text"))


@pytest.fixture(scope="module")
def kept(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    write_int8(original, folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for checkpoints that holds the starter's Whisper and nothing that was made of it."""
    checkpoints = tmp_path / "home" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / original.name).symlink_to(original)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def encoded(folder: Path) -> np.ndarray:
    whisper = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=1)
    spectrogram = np.random.default_rng(0).normal(size=(1, 80, 600)).astype(np.float32)
    return np.array(whisper.encode(ctranslate2.StorageView.from_array(spectrogram)))


def test_not_a_bit_differs(original: Path, kept: Path) -> None:
    assert np.array_equal(encoded(kept), encoded(original))
    assert (kept / "model.bin").stat().st_size < 0.6 * (original / "model.bin").stat().st_size
    assert {path.name for path in kept.iterdir()} == {path.name for path in original.iterdir()}


def test_what_is_int8_already_or_another_format_is_left_alone(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError):
        write_int8(kept, tmp_path)
    for name, content in {"empty": b"", "cut": (kept / "model.bin").read_bytes()[:9000], "other": b"GGUF" * 99}.items():
        source = tmp_path / name
        source.mkdir()
        (source / "model.bin").write_bytes(content)
        with pytest.raises(UnknownFormatError):
            write_int8(source, tmp_path)


def test_it_is_made_at_the_first_start_and_read_at_the_next(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = real_media.speech_clips("en")[0]
    with SpeechToText("base") as recogniser:
        first = recogniser.transcribe(read_audio(clip.path), "en", word_timestamps=True)
    (made,) = (home / "derived").glob("*/int8-*/model.bin")
    changed = made.stat().st_mtime_ns
    with SpeechToText("base") as recogniser:
        assert recogniser.transcribe(read_audio(clip.path), "en", word_timestamps=True) == first
    assert made.stat().st_mtime_ns == changed
    monkeypatch.setattr(whisper_ctranslate2, "_LARGEST_DOUBLED", 1)
    with SpeechToText("base") as recogniser:
        assert recogniser.transcribe(read_audio(clip.path), "en", word_timestamps=True) == first


def test_without_room_for_it_the_recogniser_works_all_the_same(home: Path) -> None:
    (home / "derived").write_text("a file where the folder would be")
    with SpeechToText("base") as recogniser:
        assert "leisure" in recogniser.transcribe(real_media.speech_clips("en")[0].path, "en").text
