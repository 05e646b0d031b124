"""The photos that the tests of the search index look for."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

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
