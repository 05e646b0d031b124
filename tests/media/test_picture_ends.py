"""A picture that lacks only its end mark is read; one that lacks pixels is refused."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from PIL import Image

from sensorium.errors import InputError
from sensorium.media.image import read_image
from sensorium.media.limits import Limits
from tests import real_media
from tests.refusals import refused


def _saved(format: str, mode: str = "RGB", size: tuple[int, int] = (197, 155), **options: Any) -> bytes:
    with Image.open(real_media.photo("china")) as photo:
        buffer = io.BytesIO()
        photo.convert(mode).resize(size).save(buffer, format, **options)
    return buffer.getvalue()


JPEGS: list[dict[str, Any]] = [
    {},
    {"mode": "L"},
    {"mode": "CMYK"},
    {"progressive": True},
    {"progressive": True, "mode": "L"},
    {"optimize": True},
    {"subsampling": 0},
    {"restart_marker_blocks": 5},
    {"quality": 10},
]
JPEG_2000S: list[dict[str, Any]] = [{}, {"tile_size": (64, 64)}, {"no_jp2": True}, {"quality_layers": [20, 5, 1]}]
FILES = [("JPEG", options) for options in JPEGS] + [("JPEG2000", options) for options in JPEG_2000S]


@pytest.mark.parametrize(("format", "options"), FILES)
def test_nothing_of_the_picture_is_missing(format: str, options: dict[str, Any]) -> None:
    data = _saved(format, **options)
    whole = read_image(data).tobytes()
    assert read_image(data[:-1]).tobytes() == whole
    assert read_image(data[:-2]).tobytes() == whole
    assert read_image(data[:-2], minimum_side=40).size == read_image(data, minimum_side=40).size


@pytest.mark.parametrize(("format", "options"), FILES)
def test_pixels_are_missing(format: str, options: dict[str, Any]) -> None:
    data = _saved(format, **options)
    for missing in (8, 20, 100, len(data) // 2):
        with refused(InputError, "damaged"):
            read_image(data[:-missing])


def test_what_is_read_is_the_whole_picture_wherever_the_file_breaks_off() -> None:
    """Every cut near the end, for the last byte of a picture may hold anything from no pixel to eight."""
    for options in JPEGS:
        data = _saved("JPEG", **{"size": (60, 44)} | options)
        whole, read = read_image(data).tobytes(), 0
        for missing in range(1, 40):
            try:
                assert read_image(data[:-missing]).tobytes() == whole, (options, missing)
                read += 1
            except InputError:
                assert missing > 2, options
        assert read < 10


def test_a_file_whose_rest_was_never_written() -> None:
    """Whoever fetches a file may set its size first."""
    data = _saved("JPEG")
    assert read_image(data[:-2] + bytes(5000)).tobytes() == read_image(data).tobytes()
    for share in (0.3, 0.9):
        kept = int(len(data) * share)
        with refused(InputError, "damaged"):
            read_image(data[:kept] + bytes(len(data) - kept))


def test_a_progressive_file_of_which_layers_are_missing() -> None:
    data = _saved("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    layer = data.rindex(b"\xff\xc4", 0, last)  # the tables of the last layer
    with refused(InputError, "damaged"):
        read_image(data[:layer])


def test_a_tile_of_jpeg_2000_is_missing() -> None:
    """Its decoder would leave the place black."""
    data = _saved("JPEG2000", no_jp2=True, tile_size=(64, 64))
    tile = data.rindex(b"\xff\x90\x00\x0a")
    with refused(InputError, "damaged"):
        read_image(data[:tile] + b"\xff\xd9")
    with refused(InputError, "damaged"):
        read_image(data[:tile])


def test_limits_come_before_the_search_for_pixels() -> None:
    data = _saved("JPEG")[:-2]
    with refused(InputError, "197×155"):
        read_image(data, limits=Limits(max_pixels=197 * 155 - 1))
    layers = _saved("JPEG", progressive=True)
    scan = layers[layers.rindex(b"\xff\xda") : -2]
    with refused(InputError, "layers"):
        read_image(layers[:-2] + scan * 5000)


def test_damage_never_escapes_as_another_error() -> None:
    generator = random.Random(4)
    for format in ("JPEG", "JPEG2000"):
        data = _saved(format, size=(60, 44))[:-2]
        for _ in range(150):
            damaged = bytearray(data)
            for _ in range(generator.choice((1, 4))):
                damaged[generator.randrange(min(700, len(data)))] ^= 1 << generator.randrange(8)
            try:
                assert read_image(bytes(damaged), limits=Limits(max_pixels=4_000_000)).mode == "RGB"
            except InputError:
                continue
