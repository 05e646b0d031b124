"""Of an animation, a picture is read that shows something."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sensorium.media.image import read_image, read_mask
from sensorium.media.limits import Limits
from tests import real_media

FORMATS = ["GIF", "WEBP", "PNG", "AVIF"]
SHARES = (0.0, 0.02, 0.05, 0.3, 1.0)


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    with Image.open(real_media.photo("chelsea")) as photo:
        return photo.convert("RGB").resize((150, 100))


def _animation(pictures: list[Image.Image], format: str) -> bytes:
    buffer = io.BytesIO()
    first, *others = pictures
    first.save(buffer, format, save_all=True, append_images=others, duration=100)
    return buffer.getvalue()


def _fade(cat: Image.Image, colour: tuple[int, int, int]) -> list[Image.Image]:
    return [Image.blend(Image.new("RGB", cat.size, colour), cat, share) for share in SHARES]


def _difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other)).mean())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (20, 60, 160)])
def test_an_animation_that_fades_in(cat: Image.Image, format: str, colour: tuple[int, int, int]) -> None:
    shown = read_image(_animation(_fade(cat, colour), format))
    assert shown.mode == "RGB"
    assert not shown.info
    assert _difference(shown, cat) < 8


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_an_animation_that_begins_with_nothing(cat: Image.Image, format: str) -> None:
    nothing = Image.new("RGBA", cat.size)
    assert _difference(read_image(_animation([nothing, nothing, cat.convert("RGBA")], format)), cat) < 5


@pytest.mark.parametrize("format", FORMATS)
def test_else_the_first_picture_is_read(cat: Image.Image, format: str) -> None:
    turned = cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert _difference(read_image(_animation([cat, turned], format)), cat) < 5
    grey = [Image.new("RGB", cat.size, (level,) * 3) for level in (10, 200, 90)]
    assert _difference(read_image(_animation(grey, format)), grey[0]) < 3


def test_pages_are_no_animation(cat: Image.Image) -> None:
    """The first page of a document may be empty."""
    assert read_image(_animation([Image.new("RGB", cat.size), cat], "TIFF")).getextrema() == ((0, 0),) * 3


def test_damage_behind_the_first_picture_costs_only_what_is_behind(cat: Image.Image) -> None:
    data = _animation(_fade(cat, (0, 0, 0)), "GIF")
    assert read_image(data[: len(data) // 2]).size == cat.size


def test_no_more_is_decoded_than_the_limit_allows(cat: Image.Image) -> None:
    data = _animation(_fade(cat, (0, 0, 0)), "GIF")
    shown = read_image(data, limits=Limits(max_pixels=cat.width * cat.height))
    assert np.asarray(shown).std() < 10, "only the second picture was looked at, and it is nearly black"


def test_a_mask_that_fades_in() -> None:
    nothing, marked = Image.new("RGBA", (20, 10), (0, 0, 0, 255)), Image.new("RGBA", (20, 10), (0, 0, 0, 255))
    marked.paste((0, 0, 0, 0), (0, 0, 10, 10))
    mask = np.asarray(read_mask(_animation([marked, nothing], "PNG")))
    assert mask[:, :10].min() == 255
    assert mask[:, 10:].max() == 0
