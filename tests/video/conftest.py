"""A film that tells a story: four photos, a spoken sound track."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from sensorium import TextToSpeech, VideoQA
from sensorium.media.audio import read_audio
from sensorium.media.video_writer import write_video
from tests.real_media import photo

RATE = 24_000
SCENES = (
    ("chelsea", "This is Chelsea, a cat who lives in Sweden."),
    ("coffee", "Every morning the photographer drinks a small cup of coffee."),
    ("home", "The palace stands under a blue sky."),
)


@pytest.fixture(scope="session")
def video_qa() -> VideoQA:
    return VideoQA()


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    voice = TextToSpeech()
    frames: list[Image.Image] = []
    sound = []
    for name, sentence in SCENES:
        spoken = read_audio(voice.synthesize(sentence, str(folder / f"{name}.wav")), sample_rate=RATE)
        count = round(len(spoken) / RATE * 10) + 5
        sound.append(np.pad(spoken, (0, count * RATE // 10 - len(spoken))))
        frames += [ImageOps.pad(Image.open(photo(name)).convert("RGB"), (480, 360))] * count
    return write_video(folder / "story.mp4", frames, 10, audio=np.concatenate(sound), sample_rate=RATE)


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cat, palace = (ImageOps.pad(Image.open(photo(name)).convert("RGB"), (320, 240)) for name in ("chelsea", "home"))
    return write_video(tmp_path_factory.mktemp("films") / "silent.mp4", [cat] * 20 + [palace] * 20, 10)
