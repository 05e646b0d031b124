"""What `write_image` writes beside the pixels is read back; other texts do no harm."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from sensorium.errors import InputError
from sensorium.media.image import write_image
from sensorium.media.metadata import read_metadata

TEXTS = {"prompt": "a cat — 猫", "seed": "7"}


@pytest.fixture
def picture() -> PIL.Image.Image:
    return PIL.Image.effect_noise((16, 16), 60).convert("RGB")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_texts_come_back(picture: PIL.Image.Image, tmp_path: Path, suffix: str) -> None:
    path = write_image(picture, tmp_path / f"picture{suffix}", metadata=TEXTS)
    for source in (path, str(path), path.read_bytes(), PIL.Image.open(path)):
        found, name = read_metadata(source)
        assert found == TEXTS
        assert name.startswith("picture")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_file_without_texts_has_none(picture: PIL.Image.Image, tmp_path: Path, suffix: str) -> None:
    assert read_metadata(write_image(picture, tmp_path / f"picture{suffix}"))[0] == {}


def test_other_formats_have_none(picture: PIL.Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "picture.bmp")
    (tmp_path / "notes.jpg").write_text("just text")
    for name in ("picture.bmp", "notes.jpg"):
        assert read_metadata(tmp_path / name)[0] == {}


def test_a_damaged_file_is_one_sentence(picture: PIL.Image.Image, tmp_path: Path) -> None:
    path = write_image(picture, tmp_path / "picture.png")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="is damaged or cut short"):
        read_metadata(path)
    with pytest.raises(InputError, match="absent"):
        read_metadata(tmp_path / "absent.png")


def test_a_description_of_another_program_is_not_taken_for_ours(picture: PIL.Image.Image, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x010E] = "Holiday {1}"
    picture.save(tmp_path / "holiday.jpg", exif=exif)
    assert read_metadata(tmp_path / "holiday.jpg")[0] == {}
