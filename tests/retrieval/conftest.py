"""What the tests of the search index share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sensorium.vision_language.clip import CLIP
from tests.real_media import photo

SHOWN = {
    "chelsea": "a cat",
    "coffee": "a cup of coffee",
    "dog": "a dog",
    "flower": "a flower",
    "rocket": "a rocket",
    "orange": "an orange",
    "squirrel": "a squirrel",
    "car": "a car",
}


@pytest.fixture(scope="session", autouse=True)
def loaded() -> Iterator[None]:
    """Keep the starter's encoder in memory, so that each test doesn't load it again."""
    with CLIP():
        yield


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder with eight photos, of which the names tell nothing, half of them in a folder below."""
    folder = tmp_path / "album"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(SHOWN):
        place = folder if number % 2 == 0 else folder / "more"
        save_photo(name, place / f"{number}.jpg")
    return folder


def save_photo(name: str, path: Path, side: int = 320) -> Path:
    """Save a real photo as a small JPEG."""
    with Image.open(photo(name)) as image:
        small = image.convert("RGB")
    small.thumbnail((side, side))
    small.save(path, quality=90)
    return path


def number_of(name: str) -> int:
    """Return the number under which a photo lies in the album."""
    return list(SHOWN).index(name)
