"""What the tests of the search index share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.vision_language.clip import CLIP
from tests.retrieval.album import SHOWN, save_photo


@pytest.fixture(scope="package", autouse=True)
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
