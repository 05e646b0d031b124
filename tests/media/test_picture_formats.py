"""AVIF and JPEG 2000 are read, HEIC and JPEG XL where their packages are, and all of them within the limits."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import InputError
from sensorium.media.image import read_image
from sensorium.media.jpeg_xl_header import jpeg_xl_size
from sensorium.media.limits import Limits
from sensorium.media.picture_formats import stored_size
from sensorium.media.source import resolve
from tests import real_media
from tests.refusals import refused

SUFFIXES = ["avif", "jp2", "j2k"]
PACKAGES = {"heic": "pillow-heif", "jxl": "pillow-jxl-plugin"}
VERSIONS = ("pillow-heif==1.8.1", "pillow-jxl-plugin==1.3.8")
_WRITE = """
import sys, pillow_heif, pillow_jxl
from PIL import Image
pillow_heif.register_heif_opener()
photo, folder = sys.argv[1:]
with Image.open(photo) as image:
    image.save(f"{folder}/a.heic", quality=90)
    image.save(f"{folder}/a.jxl", quality=95)
    image.save(f"{folder}/boxed.jxl", quality=95, use_container=True)
with Image.open(f"{folder}/turned.jpg") as turned:
    turned.save(f"{folder}/turned.heic", quality=90)
    turned.save(f"{folder}/turned.jxl")
for index, size in enumerate([(1, 1), (8, 8), (64, 40), (320, 200), (513, 7), (9000, 16), (16, 9), (1600, 900)]):
    Image.new("RGB", size, (9, 9, 200)).save(f"{folder}/{size[0]}x{size[1]}.jxl")
"""
_READ = """
import sys
from sensorium.errors import InputError
from sensorium.media.image import read_image
from sensorium.media.limits import Limits
folder = sys.argv[1]
for name in ("a.heic", "a.jxl", "boxed.jxl", "turned.heic", "turned.jxl"):
    read_image(f"{folder}/{name}").save(f"{folder}/{name}.png")
    data = open(f"{folder}/{name}", "rb").read()
    for kept, limits in ((len(data), Limits(max_pixels=1000)), (len(data) // 2, Limits()), (40, Limits())):
        try:
            read_image(data[:kept], limits=limits)
            print(name, kept, "was read")
        except InputError as error:
            assert error.remedy
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a.heic, a.jxl and others, and below "packages" the two packages, which nothing else sees."""
    folder = tmp_path_factory.mktemp("newer")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*pip, "--target", folder / "packages", *VERSIONS], check=True, capture_output=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(real_media.photo("china")) as photo:
        photo.convert("RGB").save(folder / "turned.jpg", exif=exif, quality=95)
    _python(folder, _WRITE, str(real_media.photo("china")), str(folder))
    return folder


def _python(folder: Path, program: str, *arguments: str) -> str:
    paths = os.pathsep.join([str(folder / "packages"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _saved(suffix: str, image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "AVIF" if suffix == "avif" else "JPEG2000", no_jp2=suffix == "j2k", **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(real_media.photo("china")) as image:
        return image.convert("RGB")


def _difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other)).mean())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_avif_and_jpeg_2000_are_read(photo: Image.Image, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    path.write_bytes(_saved(suffix, photo, **({"quality": 90} if suffix == "avif" else {})))
    assert _difference(read_image(path), photo) < 3
    assert stored_size(resolve(path)) == photo.size
    assert resolve(path).kind == "image"
    grey = read_image(_saved(suffix, photo.convert("L")))
    assert _difference(grey, photo.convert("L").convert("RGB")) < 4


def test_avif_is_turned_as_the_camera_noted(photo: Image.Image) -> None:
    for orientation, turn in ((6, Image.Transpose.ROTATE_270), (3, Image.Transpose.ROTATE_180)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert _difference(read_image(_saved("avif", photo, exif=exif, quality=90)), photo.transpose(turn)) < 3


def test_jpeg_2000_of_sixteen_bits() -> None:
    values = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    shown = np.asarray(read_image(_saved("jp2", Image.fromarray(values)))).astype(int)
    assert np.abs(shown - (values // 257)[..., None]).max() <= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_limits_come_before_decoding(photo: Image.Image, suffix: str) -> None:
    data = _saved(suffix, photo)
    with refused(InputError, "640×427"):
        read_image(data, limits=Limits(max_side=639))
    with refused(InputError, "640×427"):
        read_image(data, limits=Limits(max_pixels=640 * 427 - 1))
    with refused(InputError, "larger"):
        read_image(data, limits=Limits(max_image_bytes=len(data) - 1))


def test_headers_that_claim_too_much(photo: Image.Image) -> None:
    avif, jp2 = _saved("avif", photo), _saved("jp2", photo)
    large = (60_000).to_bytes(4, "big") * 2
    for data, place in (
        (avif, avif.index(b"ispe") + 8),
        (jp2, jp2.index(b"ihdr") + 4),
        (jp2, jp2.index(b"\xff\x51") + 6),
    ):
        with refused(InputError):
            read_image(data[:place] + large + data[place + 8 :])


def test_without_its_package_the_sentence_names_it(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pillow_heif", "pillow_jxl", "pillow_jxl.JpegXLImagePlugin"):
        monkeypatch.setitem(sys.modules, module, None)
    for suffix, package in PACKAGES.items():
        path = tmp_path / f"photo.{suffix}"
        path.write_bytes((made / f"a.{suffix}").read_bytes())
        with refused(InputError, path.name, package):
            read_image(path)


def test_heic_and_jpeg_xl_are_read_where_their_packages_are(made: Path, photo: Image.Image) -> None:
    assert _python(made, _READ, str(made)) == ""
    upright = photo.transpose(Image.Transpose.ROTATE_270)
    for name, expected in (("a.heic", photo), ("a.jxl", photo), ("boxed.jxl", photo), ("turned.heic", upright)):
        assert _difference(read_image(made / f"{name}.png"), expected) < 4, name
    assert _difference(read_image(made / "turned.jxl.png"), read_image(made / "turned.jpg")) < 1


def test_the_size_in_a_jpeg_xl_header(made: Path) -> None:
    seen = 0
    for path in made.glob("*x*.jxl"):
        width, _, height = path.stem.partition("x")
        if width.isdigit():
            assert jpeg_xl_size(path.read_bytes()) == (int(width), int(height))
            seen += 1
    assert seen == 8
    assert jpeg_xl_size((made / "boxed.jxl").read_bytes()) == (640, 427)
    for damaged in (b"", b"\xff\x0a", b"\xff\x0a\xff", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), b"nothing of the kind"):
        with pytest.raises(ValueError, match=r"picture|short"):
            jpeg_xl_size(damaged)


@pytest.mark.parametrize(
    ("data", "content", "remedy"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "sound", "Name a picture"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0matroska", "film", "Name a picture"),
        (b"some words", "text", "Name a picture"),
        (b"%PDF-1.7", "PDF", "Save it again"),
        (b"qoif", "QOI", "Save it again"),
        (b"<svg/>", "SVG", "Save it again"),
    ],
)
def test_what_is_no_picture_can_not_be_saved_as_one(data: bytes, content: str, remedy: str) -> None:
    with refused(InputError, content, remedy):
        read_image(data)
