"""The media that the tour works on: real photographs, a film of them with a spoken sound track, and a receipt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.models import catalog, store
from sensorium.progress import ProgressCallback

if TYPE_CHECKING:
    import numpy
    from PIL import Image

import tomllib

NARRATION = (
    ("cat", "A cat looks straight into the camera."),
    ("coffee", "A cup of coffee stands on a wooden table."),
    ("rocket", "A rocket waits under the evening sky."),
    ("astronaut", "This astronaut is ready for her flight."),
    ("temple", "An old temple stands high above a lake."),
    ("flower", "Finally, an orange flower in full bloom."),
)
"""The photographs in the film's order, each with the sentence that is spoken while it is shown."""

_RECEIPT = (("HARBOUR CAFE", ""), ("Espresso", "2.40"), ("Apple cake", "3.80"), ("Total", "6.20"))
_RECEIPT_SIZE = (480, 330)
_FRAMES_PER_SECOND = 12
_FILM_SIZE = (640, 360)
_PAUSE_SECONDS = 0.7


@dataclass(frozen=True)
class Photo:
    """A photograph of the tour: its file, licence and credit."""

    path: Path
    licence: str
    credit: str


def collect_photos(folder: Path, progress: ProgressCallback | None = None) -> list[Photo]:
    """Copy the tour's photographs into ``folder``. The first time, they are fetched in the same way as a checkpoint.

    Raises:
        ModelUnavailableError: The photographs are not on this machine and can't be fetched.
    """
    tables = tomllib.loads(package_files("sensorium.tour").joinpath("photos.toml").read_text(encoding="utf-8"))["files"]
    parcel = catalog.Checkpoint(name="tour-photos", task="tour", files=catalog.parse_files(tables))
    source = store.locate(parcel, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Photo(Path(shutil.copy(source / table["path"], folder)), table["licence"], table["credit"]) for table in tables
    ]


def write_narration(path: Path) -> Path:
    """Write the film's text to a file, one sentence per line; return the path."""
    path.write_text("\n".join(sentence for _, sentence in NARRATION) + "\n", encoding="utf-8")
    return path


def draw_receipt(path: Path) -> Path:
    """Draw something with writing on it, a café's receipt; return the path."""
    from PIL import Image, ImageDraw, ImageFont

    receipt = Image.new("RGB", _RECEIPT_SIZE, "ivory")
    draw = ImageDraw.Draw(receipt)
    font = ImageFont.load_default(36)
    for number, (left, right) in enumerate(_RECEIPT):
        height = 36 + 70 * number
        draw.text((40, height), left, font=font, fill="black")
        draw.text((_RECEIPT_SIZE[0] - 40, height), right, font=font, fill="black", anchor="ra")
    receipt.save(path)
    return path


def make_film(photos: list[Photo], path: Path, progress: ProgressCallback | None = None) -> Path:
    """Make a film of the photographs: a slow zoom on each while its sentence is spoken.

    Args:
        photos: The photographs that `collect_photos` returned.
        path: The MP4 file to write.
        progress: Told how far the work is.
    """
    import numpy

    from sensorium.speech.text_to_speech import TextToSpeech

    by_name = {photo.path.stem: photo.path for photo in photos}
    scenes = []
    with TextToSpeech() as voice:
        for name, sentence in NARRATION:
            chunks = list(voice.stream(sentence, progress=progress))
            sample_rate = chunks[0].sample_rate
            scenes.append((by_name[name], numpy.concatenate([chunk.samples for chunk in chunks])))
    return write_film(scenes, sample_rate, path)


def write_film(scenes: Sequence[tuple[Path, numpy.ndarray]], sample_rate: int, path: Path) -> Path:
    """Write a film: a slow zoom on each picture while something is heard.

    Args:
        scenes: The pictures, each with its sound: float32 ``[samples]``.
        sample_rate: Samples per second.
        path: The MP4 file to write.
    """
    import numpy

    from sensorium.media.video_writer import write_video

    shots: list[tuple[Path, int]] = []
    sound = []
    for picture, spoken in scenes:
        frames = round((len(spoken) / sample_rate + _PAUSE_SECONDS) * _FRAMES_PER_SECOND)
        samples = round(frames / _FRAMES_PER_SECOND * sample_rate)
        sound.append(numpy.pad(spoken, (0, max(0, samples - len(spoken))))[:samples])
        shots.append((picture, frames))
    return write_video(
        path, _frames(shots), _FRAMES_PER_SECOND, audio=numpy.concatenate(sound), sample_rate=sample_rate
    )


def _frames(shots: list[tuple[Path, int]]) -> Iterator[Image.Image]:
    from PIL import Image

    from sensorium.media.image import read_image

    width, height = _FILM_SIZE
    for path, count in shots:
        picture = read_image(path)
        side = min(picture.width / width, picture.height / height)
        for index in range(count):
            zoom = 1 - 0.12 * index / max(1, count - 1)
            box_width, box_height = width * side * zoom, height * side * zoom
            left = (picture.width - box_width) / 2
            # The zoom goes to a place near the top, where heads and roofs are.
            top = 0.15 * (picture.height - box_height)
            box = (left, top, left + box_width, top + box_height)
            yield picture.resize(_FILM_SIZE, Image.Resampling.BILINEAR, box=box)
