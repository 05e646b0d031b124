"""The chapter's usage examples run as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from sensorium.media.audio import read_audio, write_audio
from sensorium.media.subtitles import parse_subtitles
from tests import real_media
from tests.speech.conftest import SAMPLE_RATE, silence

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
    assert "你好" in parse_subtitles((tmp_path / "subtitles.srt").read_text(encoding="utf-8"))[0].text


def test_text_to_speech(tmp_path: Path) -> None:
    assert run("text_to_speech.py", tmp_path) == "Audio saved to hello.wav\n"
    assert len(read_audio(tmp_path / "hello.wav")) > 2 * SAMPLE_RATE
