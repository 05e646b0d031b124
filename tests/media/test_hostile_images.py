"""Pictures made to do harm: each gets one plain sentence, little memory, little time, and nothing else happens."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image

from sensorium.errors import InputError
from sensorium.media.image import read_image
from sensorium.media.limits import Limits
from tests import real_media
from tests.memory import PEAK_MEMORY


def _png(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 2) -> bytes:
    body = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (body, *chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def _saved(format: str, **options: object) -> bytes:
    with Image.open(real_media.photo("china")) as photo:
        buffer = io.BytesIO()
        photo.convert("RGB").save(buffer, format, **options)
    return buffer.getvalue()


def _refusal(data: bytes | Path, **options: object) -> str:
    """Return the sentence, after checking that refusing took little time and memory and gave nothing away."""
    tracemalloc.start()
    started = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError) as caught:
                read_image(data, **options)  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 5
    assert peak < 32 << 20
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    sentence = str(caught.value)
    assert caught.value.remedy
    assert sentence.isprintable()
    for word in ("Error", "Traceback", "PIL", "Pillow", "object", "0x", "zlib"):
        assert word not in sentence
    return sentence


# Bombs


def test_decompression_bomb() -> None:
    bomb = _png(60_000, 60_000, (b"IDAT", _zeros(8)))
    assert "60000×60000" in _refusal(bomb)


def test_hundred_thousand_pixels_wide() -> None:
    assert "100000×1 pixels" in _refusal(_png(100_000, 1, (b"IDAT", zlib.compress(bytes(300_001)))))


def test_the_limits_are_the_callers() -> None:
    data = _saved("PNG")
    assert "640×427" in _refusal(data, limits=Limits(max_pixels=640 * 427 - 1))
    assert "640×427" in _refusal(data, limits=Limits(max_side=639))
    assert read_image(data, limits=Limits(max_pixels=640 * 427, max_side=640)).size == (640, 427)
    assert "larger than" in _refusal(data, limits=Limits(max_image_bytes=len(data) - 1))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_header_that_claims_too_much(format: str) -> None:
    sides = {"JPEG": (65_500, 65_500), "WEBP": (16_383, 16_383), "GIF": (65_535, 65_535)}.get(format, (2**31 - 1, 1))
    data = _saved(format)
    if format == "JPEG":
        place = data.index(b"\xff\xc0") + 5
        data = data[:place] + struct.pack(">HH", *sides) + data[place + 4 :]
    elif format == "PNG":
        data = _png(*sides, (b"IDAT", b""))
    elif format == "WEBP":
        place = data.index(b"\x9d\x01\x2a") + 3
        data = data[:place] + struct.pack("<HH", *sides) + data[place + 4 :]
    elif format == "GIF":
        data = data[:6] + struct.pack("<HH", *sides) + data[10:]
    elif format == "BMP":
        data = data[:18] + struct.pack("<ii", *sides) + data[26:]
    else:
        place = data.index(struct.pack("<HHI", 256, 4, 1)) + 8
        data = data[:place] + struct.pack("<I", sides[0]) + data[place + 4 :]
    assert f"{sides[0]}×" in _refusal(data)


def test_a_picture_of_thousands_of_scans() -> None:
    """A JPEG that draws itself over and over: two megabytes that would keep a core busy for an hour."""
    data = _saved("JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert "layers" in _refusal(data[:-2] + scan * 5000 + data[-2:])
    assert read_image(data).size == (640, 427)


def test_a_phone_photo_with_a_film_behind_it_has_one_layer() -> None:
    """Twenty megabytes of anything hold what looks like the beginning of a scan three hundred times."""
    anything = random.Random(0).randbytes(20 << 20)
    assert anything.count(b"\xff\xda") > 200
    data = _saved("JPEG")
    assert read_image(data + anything).size == (640, 427)
    notes = b"".join(b"\xff\xeb\xff\xff" + anything[place : place + 65_533] for place in range(0, 200 * 65_533, 65_533))
    assert notes.count(b"\xff\xda") > 100
    assert read_image(data[:2] + notes + data[2:]).size == (640, 427)


def test_bomb_in_the_text_and_in_the_profile() -> None:
    pixels = (b"IDAT", zlib.compress(bytes(1 + 3)))
    text = (b"zTXt", b"comment\0\0" + _zeros(70))
    _refusal(_png(1, 1, *[text] * 3, pixels))
    profile = (b"iCCP", b"icc\0\0" + _zeros(200))
    _refusal(_png(1, 1, profile, pixels))


def test_refusing_leaves_memory_flat() -> None:
    """Measured from outside, since decoders don't take their memory from Python."""
    script = (
        PEAK_MEMORY
        + """
import struct, sys, zlib
from sensorium.errors import InputError
from sensorium.media.image import read_image
data = sys.stdin.buffer.read()
try:
    read_image(b"")
except InputError:
    before = peak_memory()
refused = 0
for _ in range(5):
    try:
        read_image(data)
    except InputError:
        refused += 1
print(refused, peak_memory() - before)
"""
    )
    webp = _saved("WEBP")
    place = webp.index(b"\x9d\x01\x2a") + 3
    for data in (
        _png(60_000, 60_000, (b"IDAT", _zeros(8))),
        webp[:place] + struct.pack("<HH", 16_383, 16_383) + webp[place + 4 :],
    ):
        done = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
        refused, mebibytes = map(float, done.stdout.split())
        assert refused == 5
        assert mebibytes < 40


# Damage


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.5, 0.9, 0.97])
def test_cut_files_are_refused_not_filled_with_grey(format: str, share: float) -> None:
    data = _saved(format)
    _refusal(data[: max(1, int(len(data) * share))])


def test_cut_files_with_other_packings() -> None:
    for format, options in (
        ("JPEG", {"progressive": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("WEBP", {"lossless": True}),
    ):
        data = _saved(format, **options)
        assert "damaged" in _refusal(data[: len(data) // 2]), (format, options)


def test_an_empty_file_a_text_a_page_and_other_documents(tmp_path: Path) -> None:
    for content, said in (
        (b"", "is empty"),
        (b"just some words", "it is text"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"%PDF-1.7\n%...", "a PDF document"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", "a PostScript document"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "a sound recording"),
        (bytes(range(256)), "unknown data"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"GIF89a", "damaged"),
    ):
        path = tmp_path / "holiday.jpg"
        path.write_bytes(content)
        assert said in _refusal(path)


def test_a_name_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(_saved("PNG"))
    assert read_image(path).size == (640, 427)
    path = tmp_path / "notes.txt"
    path.write_bytes(_saved("WEBP"))
    assert read_image(path).size == (640, 427)


def test_files_that_are_two_things_at_once() -> None:
    """A picture with an archive, a page or another picture behind it is that picture; one in front of it is not."""
    jpeg, png = _saved("JPEG"), _saved("PNG")
    for tail in (b"PK\x03\x04" + bytes(64), b"<html><script>", png, jpeg):
        assert read_image(jpeg + tail).size == (640, 427)
        assert read_image(png + tail).size == (640, 427)
    assert "a PDF document" in _refusal(b"%PDF-1.4\n" + jpeg)
    assert "not a picture" in _refusal(b"# a comment\n" + png)


def test_a_postscript_file_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    _refusal(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage")


def test_a_name_with_newlines_and_emoji(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b[31m🐈\u202egpj.jpg"
    path.write_bytes(b"no picture")
    sentence = _refusal(path)
    assert "a\\nb\\x1b[31m🐈\\u202egpj.jpg" in sentence
    path.write_bytes(_saved("JPEG"))
    assert read_image(path).size == (640, 427)


# Chance


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_flipped_bits_give_a_picture_or_a_sentence(format: str) -> None:
    generator = random.Random(format)
    with Image.open(real_media.photo("china")) as photo:
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.crop((200, 100, 280, 160)).save(buffer, format, **({} if format in ("GIF", "BMP") else {"exif": exif}))
    data = buffer.getvalue()
    limits = Limits(max_pixels=4_000_000)
    outcomes = [_outcome(_damaged(data, generator), limits) for _ in range(250)]
    assert set(outcomes) == {"picture", "refused"}


def _damaged(data: bytes, generator: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(generator.choice((1, 1, 3, 20))):
        # Half of the damage goes where formats keep what they believe in.
        place = generator.randrange(min(400, len(damaged)) if generator.random() < 0.5 else len(damaged))
        damaged[place] ^= 1 << generator.randrange(8)
    return _with_right_sums(bytes(damaged)) if data.startswith(b"\x89PNG") else bytes(damaged)


def _with_right_sums(data: bytes) -> bytes:
    """Mend the sums of a PNG's chunks: with wrong ones no reader would look any deeper."""
    mended, place = bytearray(data), 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            break
        mended[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(mended)


def _outcome(data: bytes, limits: Limits) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = read_image(data, limits=limits)
    except InputError as error:
        return "refused" if str(error).isprintable() else str(error)
    return "picture" if image.mode == "RGB" else image.mode


def test_nothing_is_written_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """libtiff likes to talk: without care, damage like this prints what no reader of a sentence wants to know."""
    generator = random.Random(1)
    for compression in ("jpeg", "tiff_lzw", "tiff_deflate"):
        data = _saved("TIFF", compression=compression)
        refused = sum(_outcome(_damaged(data, generator), Limits()) == "refused" for _ in range(30))
        assert refused > 2
    assert capfd.readouterr() == ("", "")
