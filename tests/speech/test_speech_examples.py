"""The chapter's usage examples run as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sensorium.media.audio import probe_audio, read_audio, write_audio
from sensorium.models import catalog, store
from tests import real_media
from tests.checkpoints.speech import tiny_whisper
from tests.speech.conftest import SAMPLE_RATE, comment_of, silence
from tests.subtitle_reader import read_cues

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(example: str, folder: Path, **settings: str) -> str:
    command = [sys.executable, str(EXAMPLES / example)]
    environment = {**os.environ, **settings}
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def test_speech_to_text(tmp_path: Path) -> None:
    clips = real_media.synthetic_clips("zh")
    samples = np.concatenate([part for clip in clips for part in (read_audio(clip.path), silence(1.0))])
    write_audio(samples, tmp_path / "audio.mp3", SAMPLE_RATE)
    write_audio(samples, tmp_path / "chinese_audio.mp3", SAMPLE_RATE)
    printed = run("speech_to_text.py", tmp_path, SENSORIUM_SUBSTITUTE="medium=base").splitlines()
    assert "你好" in printed[0]
    assert printed[1].isascii()
    assert "hello" in printed[1].lower()
    assert "你好" in read_cues((tmp_path / "subtitles.srt").read_text(encoding="utf-8"))[0].text


def test_text_to_speech(tmp_path: Path) -> None:
    assert run("text_to_speech.py", tmp_path) == "Audio saved to hello.wav\n"
    assert len(read_audio(tmp_path / "hello.wav")) > 2 * SAMPLE_RATE


def test_text_to_speech_with_the_chapters_checkpoint(tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    settings = {"SENSORIUM_PROFILE": "standard", "SENSORIUM_SUBSTITUTE": f"mms-tts-eng={tiny('vits')}"}
    assert run("text_to_speech.py", tmp_path, **settings) == "Audio saved to hello.wav\n"
    assert probe_audio(tmp_path / "hello.wav").sample_rate == 16_000
    assert "tiny-vits" in comment_of(tmp_path / "hello.wav")


def test_speech_to_text_with_a_checkpoint_in_the_layout_of_transformers(tmp_path: Path) -> None:
    tokenizer = store.locate(catalog.resolve("base", task="speech-to-text")) / "tokenizer.json"
    folder = tiny_whisper(tmp_path / "tiny-whisper", tokenizer)
    speech = read_audio(real_media.synthetic_clips("zh")[0].path)
    for name in ("audio.mp3", "chinese_audio.mp3"):
        write_audio(speech, tmp_path / name, SAMPLE_RATE)
    settings = {"SENSORIUM_HOME": str(tmp_path / "home"), "SENSORIUM_SUBSTITUTE": f"medium={folder}"}
    run("speech_to_text.py", tmp_path, **settings)
    assert (tmp_path / "subtitles.srt").is_file()
