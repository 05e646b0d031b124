"""Pictures read and written: right at the pixel, whatever the file says about itself."""

from __future__ import annotations

import gc
import io
import json
import struct
import threading
import tracemalloc
import warnings
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageCms, ImageOps

from sensorium.errors import InputError
from sensorium.media.image import read_image, read_mask, write_image
from sensorium.media.limits import Limits
from tests import real_media
from tests.refusals import refused


def _pixels(image: Image.Image) -> numpy.ndarray:
    return numpy.asarray(image).astype(int)


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """A real photo, cut so that no side, corner or quarter looks like another."""
    return Image.open(real_media.photo("china")).convert("RGB").crop((0, 0, 160, 96))


# Real photos


def test_real_photos_equal_plain_decoding() -> None:
    seen = 0
    for name, path in real_media.photos().items():
        if name in ("rocket", "dog"):  # Adobe RGB and transparency: below
            continue
        with Image.open(path) as plain:
            expected = _pixels(plain.convert("RGB"))
        image = read_image(path)
        assert image.mode == "RGB"
        assert numpy.array_equal(_pixels(image), expected), name
        seen += 1
    assert seen >= 20


def test_a_real_photo_in_adobe_rgb() -> None:
    """Against the two colour spaces' published definitions rather than a library."""
    path = real_media.photo("rocket")
    with Image.open(path) as plain:
        stored = numpy.asarray(plain.convert("RGB")) / 255
    to_xyz = numpy.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = numpy.array([[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]])
    linear = (stored ** (563 / 256) @ to_xyz.T @ to_srgb.T).clip(0, 1)
    expected = 255 * numpy.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    difference = numpy.abs(_pixels(read_image(path)) - expected)
    assert difference.mean() < 0.5
    assert numpy.percentile(difference, 99.9) < 3
    assert numpy.abs(255 * stored - expected).mean() > 4, "the profile changes this photo"


def test_a_real_photo_with_transparency() -> None:
    with Image.open(real_media.photo("dog")) as plain:
        stored = numpy.asarray(plain) / 255
    expected = 255 * (stored[..., :3] * stored[..., 3:] + 1 - stored[..., 3:])
    assert numpy.abs(_pixels(read_image(real_media.photo("dog"))) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "file", "data"])
def test_every_way_to_give_a_picture(kind: str) -> None:
    path = real_media.photo("coffee")
    expected = _pixels(read_image(path))
    if kind == "path":
        image = read_image(path)
    elif kind == "text":
        image = read_image(str(path))
    elif kind == "bytes":
        image = read_image(path.read_bytes())
    elif kind == "file":
        with path.open("rb") as file:
            image = read_image(file)
            assert file.tell() == 0
    else:
        import base64

        image = read_image("data:image/png;base64," + base64.b64encode(path.read_bytes()).decode())
    assert numpy.array_equal(_pixels(image), expected)


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_orientation_is_applied(scene: Image.Image, format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 95, "subsampling": 0} if format == "JPEG" else {}
    stored = Image.open(io.BytesIO(_saved(_held(scene, orientation), format, exif=exif, **options)))
    image = read_image(stored.fp.getvalue())  # type: ignore[union-attr]
    assert image.size == scene.size
    difference = numpy.abs(_pixels(image) - _pixels(scene))
    assert difference.max() == 0 if format != "JPEG" else difference.mean() < 2


def _held(scene: Image.Image, orientation: int) -> Image.Image:
    """Store the scene the way a camera held like this does: written out from the table in the EXIF standard."""
    pixels = numpy.asarray(scene)
    stored = {
        1: pixels,  # row 0 is the top, column 0 the left side
        2: pixels[:, ::-1],  # top, right
        3: pixels[::-1, ::-1],  # bottom, right
        4: pixels[::-1, :],  # bottom, left
        5: pixels.transpose(1, 0, 2),  # left, top
        6: pixels.transpose(1, 0, 2)[::-1, :],  # right, top
        7: pixels.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
        8: pixels.transpose(1, 0, 2)[:, ::-1],  # left, bottom
    }[orientation]
    return Image.fromarray(numpy.ascontiguousarray(stored))


def test_orientation_of_a_pil_image_and_reading_twice(scene: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = Image.open(io.BytesIO(_saved(_held(scene, 6), "PNG", exif=exif)))
    once = read_image(opened)
    assert numpy.array_equal(_pixels(once), _pixels(scene))
    assert read_image(once) is once


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_nonsense_orientation_is_upright(scene: Image.Image, value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert numpy.array_equal(_pixels(read_image(_saved(scene, "PNG", exif=exif))), _pixels(scene))


def test_damaged_exif_costs_no_picture_and_no_warning(scene: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    exif[0x010E] = "a long description " * 10
    data = _saved(scene, "JPEG", quality=90, exif=exif)
    place = data.index(b"Exif\0\0") + 6
    damaged = data[: place + 4] + struct.pack("<I", 0xFFFF) + data[place + 8 :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(damaged).size == scene.size


# Modes


def test_grey_of_sixteen_bits_keeps_its_brightness() -> None:
    values = numpy.linspace(0, 65535, 256 * 4).astype(numpy.uint16).reshape(4, 256)
    for data in (_saved(Image.fromarray(values), "PNG"), _saved(Image.fromarray(values), "TIFF")):
        image = _pixels(read_image(data))
        assert (image == numpy.round(values / 257)[..., None]).all()


def test_measured_values_are_refused_rather_than_guessed() -> None:
    for values in (numpy.full((4, 4), 3e5, numpy.float32), numpy.full((4, 4), numpy.nan, numpy.float32)):
        with pytest.raises(InputError, match="measured values"):
            read_image(_saved(Image.fromarray(values), "TIFF"))
    with pytest.raises(InputError, match="measured values"):
        read_image(_saved(Image.fromarray(numpy.full((4, 4), 70_000, numpy.int32)), "TIFF"))
    assert _pixels(read_image(_saved(Image.fromarray(numpy.full((4, 4), 0.5, numpy.float32)), "TIFF"))).max() == 128


def test_transparency_becomes_white() -> None:
    alpha = numpy.arange(256, dtype=numpy.uint8)[None]
    red, green, blue = (numpy.full_like(alpha, value) for value in (200, 100, 0))
    share = alpha[..., None] / 255
    colour = Image.merge("RGBA", [Image.fromarray(channel) for channel in (red, green, blue, alpha)])
    for source in (_saved(colour, "PNG"), colour, numpy.asarray(colour), _saved(colour, "TIFF")):
        expected = share * [200, 100, 0] + (1 - share) * 255
        assert numpy.abs(_pixels(read_image(source)) - expected).max() <= 1
    grey = Image.merge("LA", [Image.fromarray(red), Image.fromarray(alpha)])
    assert numpy.abs(_pixels(read_image(_saved(grey, "PNG"))) - (share * 200 + (1 - share) * 255)).max() <= 1


def test_a_colour_that_stands_for_transparent_becomes_white() -> None:
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([10, 20, 30, 40, 50, 60])
    indexed.putpixel((1, 0), 1)
    deep = Image.fromarray(numpy.array([[1000, 40000]], numpy.uint16))
    for data, kept in (
        (_saved(indexed, "PNG", transparency=1), [10, 20, 30]),
        (_saved(indexed, "GIF", transparency=1), [10, 20, 30]),
        (
            _saved(Image.fromarray(numpy.array([[[1, 2, 3], [4, 5, 6]]], numpy.uint8)), "PNG", transparency=(4, 5, 6)),
            [1, 2, 3],
        ),
        (_saved(deep, "PNG", transparency=40000), [4, 4, 4]),
    ):
        assert _pixels(read_image(data)).tolist() == [[kept, [255, 255, 255]]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGBX", "LAB"])
def test_other_modes_equal_the_scene(scene: Image.Image, mode: str) -> None:
    if mode == "LAB":
        stored = ImageCms.profileToProfile(
            scene, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert stored is not None
        stored.info = {}
    elif mode == "RGBX":
        stored = scene.convert("RGBX")
    else:
        stored = scene.convert(mode)
    image = read_image(_saved(stored, "TIFF"))
    expected = scene if mode in ("LAB", "RGBX") else stored.convert("RGB")
    assert numpy.abs(_pixels(image) - _pixels(expected)).max() <= (4 if mode == "LAB" else 1)


def test_a_phone_photo_with_a_second_picture_inside(scene: Image.Image) -> None:
    buffer = io.BytesIO()
    scene.save(buffer, "MPO", save_all=True, append_images=[ImageOps.invert(scene)], quality=95)
    assert numpy.abs(_pixels(read_image(buffer.getvalue())) - _pixels(scene)).mean() < 3
    assert read_image(buffer.getvalue(), minimum_side=40).size == (80, 48)


def test_jpeg_in_four_inks(scene: Image.Image) -> None:
    inks = Image.open(io.BytesIO(_saved(scene.convert("CMYK"), "JPEG", quality=95)))
    assert numpy.array_equal(
        _pixels(read_image(_saved(scene.convert("CMYK"), "JPEG", quality=95))), _pixels(inks.convert("RGB"))
    )
    assert numpy.abs(_pixels(read_image(inks)) - _pixels(scene)).mean() < 4


def test_sixteen_bit_colour() -> None:
    """Written by hand: Pillow writes no PNG with 48 bits."""
    rows = b"".join(b"\0" + struct.pack(">3H", 257 * 10, 257 * 200, 65535) for _ in range(2))
    assert _pixels(read_image(_png(1, 2, 16, 2, rows))).tolist() == [[[10, 200, 255]]] * 2


def test_the_first_picture_of_several(scene: Image.Image) -> None:
    first, second = scene, ImageOps.invert(scene)
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        data = _saved(first, format, save_all=True, append_images=[second], **options)
        assert numpy.abs(_pixels(read_image(data)) - _pixels(first)).mean() < (8 if format == "GIF" else 0.1), format


# Colour profiles


def test_a_colour_profile_is_converted() -> None:
    swapped = _red_and_blue_swapped()
    image = Image.new("RGB", (8, 8), (250, 20, 10))
    for format in ("PNG", "JPEG", "WEBP", "TIFF"):
        options = {"quality": 100} if format in ("JPEG", "WEBP") else {}
        read = read_image(_saved(image, format, icc_profile=swapped, **options))
        assert numpy.abs(_pixels(read) - [10, 20, 250]).max() <= 4, format
        assert read_image(read) is read


def _red_and_blue_swapped() -> bytes:
    """A profile whose first channel is blue and whose third is red: nobody can overlook whether it was applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    swapped = bytearray(profile)
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(swapped)


def test_a_profile_that_only_says_srgb_changes_nothing(scene: Image.Image) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert numpy.array_equal(_pixels(read_image(_saved(scene, "PNG", icc_profile=profile))), _pixels(scene))


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200])
def test_a_damaged_profile_is_passed_over(scene: Image.Image, profile: bytes) -> None:
    assert numpy.array_equal(_pixels(read_image(_saved(scene, "PNG", icc_profile=profile))), _pixels(scene))


def test_a_profile_for_other_colours_is_passed_over(scene: Image.Image) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cmyk = scene.convert("CMYK")
    assert numpy.array_equal(
        _pixels(read_image(_saved(cmyk, "TIFF", icc_profile=profile))), _pixels(cmyk.convert("RGB"))
    )


# Reading smaller than stored


@pytest.mark.parametrize(
    ("side", "expected"),
    [(224, (375, 250)), (250, (375, 250)), (251, (750, 500)), (501, (1500, 1000)), (1001, (3000, 2000))],
)
def test_draft_never_falls_below_the_side(side: int, expected: tuple[int, int]) -> None:
    with Image.open(real_media.photo("china")) as photo:
        data = _saved(photo.resize((3000, 2000), Image.Resampling.BICUBIC), "JPEG", quality=92)
    image = read_image(data, minimum_side=side)
    assert image.size == expected
    full = read_image(data).resize((150, 100), Image.Resampling.BICUBIC)
    assert numpy.abs(_pixels(image.resize((150, 100), Image.Resampling.BICUBIC)) - _pixels(full)).mean() < 1.5


def test_minimum_side_never_enlarges() -> None:
    assert read_image(real_media.photo("china"), minimum_side=5000).size == (640, 427)


# Arrays


def test_arrays() -> None:
    colours = numpy.array([[[0, 128, 255], [1, 2, 3]]], numpy.uint8)
    assert _pixels(read_image(colours)).tolist() == colours.tolist()
    assert _pixels(read_image((colours / 255).astype(numpy.float32))).tolist() == colours.tolist()
    assert _pixels(read_image((colours / 255).astype(numpy.float16))).max() == 255
    assert _pixels(read_image(colours[..., 0])).tolist() == [[[0, 0, 0], [1, 1, 1]]]
    assert _pixels(read_image(colours[:, ::-1])).tolist() == colours[:, ::-1].tolist()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (numpy.zeros((3, 8, 9), numpy.uint8), "colours last"),
        (numpy.zeros((2, 8, 9, 3), numpy.uint8), "not a picture"),
        (numpy.zeros(8, numpy.uint8), "not a picture"),
        (numpy.zeros((0, 8, 3), numpy.uint8), "no pixels"),
        (numpy.full((8, 9, 3), 255.0), "outside 0…1"),
        (numpy.full((8, 9, 3), -0.1), "outside 0…1"),
        (numpy.full((8, 9, 3), numpy.nan), "outside 0…1"),
        (numpy.zeros((8, 9, 3), numpy.int64), "int64"),
        (numpy.zeros((8, 9), bool), "bool"),
        (numpy.zeros((1, 70_000), numpy.uint8), "70000×1"),
    ],
)
def test_other_arrays_are_refused_in_one_sentence(array: numpy.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_image(array)


# The user's own program is left as it was


def test_pillows_settings_and_warnings_stay_the_users(scene: Image.Image) -> None:
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    data = _saved(scene, "JPEG")
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(20):
                assert read_image(data).size == scene.size
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_a_large_picture_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(_saved(Image.new("1", (10_000, 9_500)), "PNG")).size == (10_000, 9_500)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_the_file_is_not_kept_in_memory_with_the_picture(format: str) -> None:
    """Its bytes would add up over a long list of pictures."""
    noise = Image.effect_noise((400, 400), 90).convert("RGB")
    data = _saved(noise, format, **({"lossless": True} if format == "WEBP" else {}))
    images = [read_image(io.BytesIO(data))]
    tracemalloc.start()
    try:
        images += [read_image(io.BytesIO(data)) for _ in range(5)]
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < len(data)
    finally:
        tracemalloc.stop()
    assert all(image.tobytes() == noise.tobytes() or format == "JPEG" for image in images)
    assert all(not image.info for image in images)
    assert read_image(images[0]) is images[0]


# Writing


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".PNG"])
def test_written_and_read_again(scene: Image.Image, tmp_path: Path, suffix: str) -> None:
    metadata = {"prompt": "a cat – 一只猫 🐈", "seed": "7", "empty": ""}
    path = write_image(scene, tmp_path / f"scene{suffix}", metadata=metadata)
    assert list(tmp_path.iterdir()) == [path]
    difference = numpy.abs(_pixels(read_image(path)) - _pixels(scene))
    assert difference.max() == 0 if suffix.lower() == ".png" else difference.mean() < 3
    with Image.open(path) as image:
        assert image.format == {".png": "PNG", ".webp": "WEBP"}.get(suffix.lower(), "JPEG")
        if image.format == "PNG":
            image.load()
            assert {key: str(value) for key, value in image.text.items()} == metadata
        else:
            assert json.loads(image.getexif()[0x010E]) == metadata


def test_transparency_is_kept_where_the_format_has_it(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    with Image.open(write_image(image, tmp_path / "a.png")) as written:
        assert written.mode == "RGBA"
    assert _pixels(read_image(write_image(image, tmp_path / "a.jpg"))).min() > 250


@pytest.mark.parametrize("name", ["scene.tiff", "scene", "scene.exe", "scene.png.gz"])
def test_unknown_suffix_names_the_known(scene: Image.Image, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.png, \.jpg, \.jpeg, \.webp"):
        write_image(scene, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_nothing_half_written_stays(scene: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "scene.jpg"
    path.write_bytes(b"what was there")
    with pytest.raises(InputError, match="metadata"):
        write_image(scene, path, metadata={"prompt": "x" * 70_000})
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_and_folder_in_the_way(scene: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="doesn't exist"):
        write_image(scene, tmp_path / "missing" / "scene.png")
    (tmp_path / "scene.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_image(scene, tmp_path / "scene.png")


def _png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_mask_marks_with_transparency() -> None:
    mask = Image.new("RGBA", (4, 2), (0, 0, 0, 255))
    mask.putpixel((1, 0), (255, 255, 255, 0))
    mask.putpixel((2, 0), (0, 0, 0, 55))
    assert numpy.asarray(read_mask(_saved(mask, "PNG"))).tolist() == [[0, 255, 200, 0], [0, 0, 0, 0]]
    turned = read_mask(_saved(mask, "PNG", exif=_turned(6)))
    assert turned.size == (2, 4)
    assert numpy.asarray(turned)[1].tolist() == [0, 255]


def test_a_mask_that_knows_no_transparency_marks_with_white() -> None:
    mask = Image.new("L", (3, 1))
    mask.putpixel((2, 0), 255)
    assert numpy.asarray(read_mask(_saved(mask, "PNG"))).tolist() == [[0, 0, 255]]


def test_a_mask_that_marks_nothing_is_refused() -> None:
    with refused(InputError, "mask"):
        read_mask(_saved(Image.new("RGBA", (3, 1), (0, 0, 0, 255)), "PNG"))
    with refused(InputError):
        read_mask(b"no picture")
    with refused(InputError):
        read_mask(_saved(Image.new("RGBA", (300, 300)), "PNG"), limits=Limits(max_pixels=1000))


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif
