"""How the tests run commands: in this process, where models stay loaded, or as a program of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sensorium.cli.app import app
from sensorium.vision_language.clip import CLIP
from tests import real_media

Run = Callable[..., Result]
Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    """Run a command in this process: ``run("classify", "cat.jpg", …, input="…")``."""

    def call(*arguments: str | Path, **options: Any) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)

    return call


@pytest.fixture
def program() -> Program:
    """Run ``sensorium`` as a program of its own; ``environment`` adds to or replaces variables."""

    def call(
        *arguments: str | Path, environment: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sensorium", *map(str, arguments)]
        variables = {**os.environ, **(environment or {})}
        return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=120, **options)

    return call


@pytest.fixture(scope="session")
def loaded_clip() -> Iterator[CLIP]:
    """A loaded starter encoder, so that commands in this process find it loaded."""
    with CLIP() as clip:
        yield clip


@pytest.fixture(scope="session")
def loaded_answerers() -> Iterator[None]:
    """The starter models that answer questions, loaded, so that commands in this process find them loaded."""
    from sensorium.video.video_qa import VideoQA
    from sensorium.vision_language.image_qa import ImageQA
    from sensorium.vision_language.llava import LLaVA

    with ImageQA(), LLaVA(), VideoQA():
        yield


@pytest.fixture(scope="session")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven seconds: a cat, then a cup of coffee, while a human voice reads a sentence."""
    from PIL import Image

    from sensorium.media.audio import read_audio
    from sensorium.media.video_writer import write_video

    frames = []
    for name in ("chelsea", "coffee"):
        with Image.open(real_media.photo(name)) as photo:
            frames += [photo.convert("RGB").resize((448, 320))] * 18
    speech = read_audio(real_media.speech_clips("en")[0].path)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_video(path, frames, 5, audio=speech, sample_rate=16000)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_film: Path) -> Path:
    """The current folder, with real photographs, a recording and a film under the names that examples use."""
    (tmp_path / "photos").mkdir()
    for name, file in {"chelsea": "cat.png", "coffee": "coffee.png", "rocket": "rocket.jpg"}.items():
        shutil.copy(real_media.photo(name), tmp_path / "photos" / file)
    shutil.copy(real_media.photo("chelsea"), tmp_path / "cat.jpg")
    shutil.copy(real_media.speech_clips("en")[0].path, tmp_path / "interview.mp3")
    shutil.copy(short_film, tmp_path / "film.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def documents(output: str) -> list[dict[str, Any]]:
    """Return the JSON documents of an output, one a line; fail if anything else was printed."""
    return [json.loads(line) for line in output.splitlines()]
