"""What operations are measured on: photos as telephones take them and small ones, a minute of speech, short films.

There are several sets of photos and films, all different, since models remember what they have seen lately.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmarks.folder_indexing import make_photos
from benchmarks.measure import cache_folder
from sensorium.media.audio import read_audio
from sensorium.media.audio_writer import write_audio
from sensorium.media.video_writer import write_video
from tests import real_media

SETS = 4
PHOTOS, SMALL_PHOTOS = 6, 32
"""In a set."""
LARGE = (4000, 3000)
"""Pixels of a telephone's photo."""
FILM_SECONDS = 19.0
SPEECH_SECONDS = 60.0

_RATE = 16_000
_PAUSE_SECONDS = 0.6
_FRAMES_PER_SECOND = 10
_GRAIN = 5.0
"""Standard deviation of the sensor's noise, of 255; with it the files are as large as those of telephones."""


def small_photos(number: int = 0) -> list[Path]:
    """Return a set of real photos of 640×480."""
    found = sorted(make_photos(SETS * SMALL_PHOTOS).glob("*.jpg"))
    return found[number % SETS * SMALL_PHOTOS :][:SMALL_PHOTOS]


def large_photos(number: int = 0) -> list[Path]:
    """Return a set of photos of 12 megapixels: real ones, enlarged, with grain, as JPEG; made once."""
    names = sorted(real_media.photos())[:PHOTOS]
    return [_large_photo(name, number % SETS) for name in names]


def _large_photo(name: str, number: int) -> Path:
    path = cache_folder(f"photos-of-{LARGE[0]}-{LARGE[1]}") / f"{name}-{number}.jpg"
    if not path.exists():
        random = np.random.default_rng(number)
        with Image.open(real_media.photo(name)) as image:
            enlarged = np.asarray(image.convert("RGB").resize(LARGE, Image.Resampling.BICUBIC), np.float32)
        grain = random.standard_normal(enlarged.shape, dtype=np.float32) * _GRAIN
        partial = path.with_suffix(".part")
        Image.fromarray(np.clip(enlarged + grain, 0, 255).astype(np.uint8)).save(partial, "JPEG", quality=88)
        partial.replace(path)
    return path


def somebody(number: int = 0) -> Path:
    """Return a photo of 12 megapixels on which there is somebody."""
    return _large_photo("astronaut", number % SETS)


def speech() -> Path:
    """Return a minute of recorded English speech as MP3, with short pauses; made once."""
    path = cache_folder("speech") / f"{SPEECH_SECONDS:.0f}-seconds.mp3"
    if not path.exists():
        write_audio(_spoken(SPEECH_SECONDS), path, _RATE)
    return path


def _spoken(seconds: float) -> np.ndarray:
    pause = np.zeros(int(_PAUSE_SECONDS * _RATE), np.float32)
    clips = (read_audio(clip.path, sample_rate=_RATE) for clip in real_media.speech_clips("en"))
    return np.resize(np.concatenate([part for samples in clips for part in (samples, pause)]), int(seconds * _RATE))


def film(number: int = 0) -> Path:
    """Return one of several films of a street with people, 768×576, over which somebody speaks; made once."""
    path = cache_folder("films") / f"{number % SETS}.mp4"
    if not path.exists():
        count = int(FILM_SECONDS * _FRAMES_PER_SECOND)
        with av.open(str(real_media.film("vtest"))) as opened:
            frames = islice(opened.decode(video=0), number % SETS * count, (number % SETS + 1) * count)
            pictures = [frame.to_image() for frame in frames]
        write_video(path, pictures, _FRAMES_PER_SECOND, audio=_spoken(FILM_SECONDS), sample_rate=_RATE)
    return path


def make_all() -> None:
    """Make everything that isn't there yet."""
    speech()
    small_photos()
    for number in range(SETS):
        large_photos(number)
        film(number)
