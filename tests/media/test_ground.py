"""Transparent pictures are put on a ground that they stand out from."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sensorium.media.image import read_image, read_mask, write_image
from tests import real_media

WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)


def _file(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _drawn(*colours: tuple[int, int, int], size: tuple[int, int] = (240, 160)) -> Image.Image:
    """Return a word on nothing for each colour."""
    image = Image.new("RGBA", size)
    draw = ImageDraw.Draw(image)
    for index, colour in enumerate(colours):
        draw.text((10, 10 + 70 * index), "hello there", (*colour, 255), font_size=40)
    return image


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF", "JPEG2000"])
def test_white_on_nothing_is_put_on_black(format: str) -> None:
    """A photo that only its opacity shows."""
    with Image.open(real_media.photo("chelsea")) as photo:
        shape = photo.convert("L")
    image = Image.new("RGBA", shape.size, WHITE)
    image.putalpha(shape)
    shown = np.asarray(read_image(_file(image, format, **({"lossless": True} if format == "WEBP" else {}))))
    assert np.abs(shown.astype(int) - np.asarray(shape)[..., None]).mean() < 2


@pytest.mark.parametrize(
    ("colours", "ground"),
    [
        ([BLACK], WHITE),
        ([(200, 30, 30)], WHITE),
        ([(255, 230, 0)], WHITE),
        ([GREY], WHITE),
        ([WHITE], BLACK),
        ([(240, 245, 250)], BLACK),
        ([WHITE, (200, 30, 30)], BLACK),
        ([WHITE, BLACK], GREY),
    ],
)
@pytest.mark.parametrize("scale", [1, 8])
def test_nothing_of_a_drawing_vanishes(
    colours: list[tuple[int, int, int]], ground: tuple[int, int, int], scale: int
) -> None:
    drawn = _drawn(*colours)
    drawn = drawn.resize((drawn.width * scale, drawn.height * scale), Image.Resampling.NEAREST)
    shown = read_image(_file(drawn))
    assert shown.getpixel((0, 0)) == ground
    opaque = np.asarray(drawn)[..., 3] == 255
    assert np.array_equal(np.asarray(shown)[opaque], np.asarray(drawn)[opaque][:, :3])


def test_a_palette_with_a_transparent_colour() -> None:
    image = Image.new("P", (120, 80))
    image.putpalette([9, 9, 9, 255, 255, 255])
    ImageDraw.Draw(image).text((5, 20), "hello", 1, font_size=40)
    for format in ("GIF", "PNG"):
        assert read_image(_file(image, format, transparency=0)).getextrema() == ((0, 255),) * 3


def test_grey_of_sixteen_bits_with_a_transparent_value() -> None:
    values = np.full((60, 80), 65535, np.uint16)
    values[:, :40] = 7
    shown = read_image(_file(Image.fromarray(values), transparency=7))
    assert shown.getpixel((0, 0)) == BLACK
    assert shown.getpixel((79, 0)) == WHITE


def test_what_has_no_outline_stays_on_white() -> None:
    for image in (Image.new("RGBA", (8, 8), (255, 255, 255, 0)), Image.new("RGBA", (8, 8), (255, 255, 255, 128))):
        assert read_image(_file(image)).getextrema() == ((255, 255),) * 3
    assert read_image(Image.new("RGBA", (1, 1), (10, 20, 30, 255))).getpixel((0, 0)) == (10, 20, 30)


def test_the_same_ground_for_images_in_memory_and_for_written_files(tmp_path: object) -> None:
    drawn = _drawn(WHITE)
    assert read_image(drawn).getpixel((0, 0)) == BLACK
    assert read_image(np.asarray(drawn)).getpixel((0, 0)) == BLACK
    written = read_image(write_image(drawn, f"{tmp_path}/drawn.jpg"))
    assert max(written.getpixel((0, 0))) < 5  # type: ignore[arg-type]
    assert written.getextrema()[0][1] > 250  # type: ignore[index]


def test_a_mask_keeps_its_meaning() -> None:
    marked = _drawn(WHITE)
    mask = np.asarray(read_mask(_file(marked)))
    assert np.array_equal(mask, 255 - np.asarray(marked)[..., 3])
