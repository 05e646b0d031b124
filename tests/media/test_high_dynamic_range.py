"""Films and pictures of a high dynamic range or a wide gamut look as a player shows them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sensorium.media.image import read_image
from sensorium.media.video import sample_frames
from tests.media.bright_light import BT_709, BT_2020, DISPLAY_P3, HLG, PQ, SIGNALS, SIZE, coffee, encoded


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return coffee()


# Films

_MATRICES = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}


def _film(
    path: Path, values: NDArray[np.uint16], matrix: str, *, bits: int, full: bool = False, tags: str = ""
) -> Path:
    """Write a film of one picture, in the numbers that the standards print rather than by a library."""
    red, green, blue = np.moveaxis(values / 65535, -1, 0)
    red_share, blue_share = _MATRICES[matrix]
    light = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    differences = ((blue - light) / (2 - 2 * blue_share), (red - light) / (2 - 2 * red_share))
    most, step = 2**bits - 1, 2 ** (bits - 8)
    scales = (most, 0, most) if full else (219 * step, 16 * step, 224 * step)
    planes = [light * scales[0] + scales[1], *(each * scales[2] + 128 * step for each in differences)]
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast"}
        options["x265-params"] = (
            f"log-level=none:qp=1:colormatrix={matrix}:range={'full' if full else 'limited'}{tags and ':' + tags}"
        )
        stream: Any = container.add_stream("libx265", rate=25, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv444p" if bits == 8 else "yuv444p10le"
        frame = av.VideoFrame(*SIZE, stream.pix_fmt)
        for plane, numbers in zip(frame.planes, planes, strict=True):
            stored = (numbers + 0.5).clip(0, most).astype(np.uint8 if bits == 8 else "<u2")
            row = plane.line_size // stored.itemsize
            plane.update(np.pad(stored, ((0, 0), (0, row - SIZE[0]))).tobytes())
        for time in range(3):
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _shown(path: Path, **options: Any) -> NDArray[np.int_]:
    (frame,) = sample_frames(path, 1, **options)
    return np.asarray(frame.image).astype(int)


@pytest.mark.parametrize(("transfer", "name"), [(PQ, "smpte2084"), (HLG, "arib-std-b67")])
@pytest.mark.parametrize("full", [False, True])
def test_a_film_of_a_high_dynamic_range_looks_like_the_photo_in_it(
    photo: NDArray[np.uint8], tmp_path: Path, transfer: int, name: str, full: bool
) -> None:
    tags = f"colorprim=bt2020:transfer={name}"
    values = encoded(photo, transfer, BT_2020)
    path = _film(tmp_path / "film.mp4", values, "bt2020nc", bits=10, full=full, tags=tags)
    shown = _shown(path)
    dark = photo.max(axis=-1) < 150
    assert np.abs(shown - photo)[dark].mean() < 2
    assert np.abs(shown - photo).mean() < 6, "what is bright is a little darker, for there is brighter light"
    assert np.abs(shown - _shown(path, minimum_side=96).repeat(2, 0).repeat(2, 1)).mean() < 6


def test_the_films_note_of_its_brightest_light_is_read(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    values = encoded(photo, PQ, BT_2020)
    shown = []
    for number, light in enumerate(
        (
            "max-cll=203,100",
            "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(2030000,50)",
            "max-cll=4000,400",
        )
    ):
        tags = f"colorprim=bt2020:transfer=smpte2084:hdr10=1:{light}"
        shown.append(_shown(_film(tmp_path / f"{number}.mp4", values, "bt2020nc", bits=10, tags=tags)))
    assert np.abs(shown[0] - photo).mean() < 1.5
    assert np.abs(shown[1] - photo).mean() < 1.5
    assert shown[2].mean() < shown[0].mean() - 5


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
def test_ordinary_films_have_their_colours(
    photo: NDArray[np.uint8], tmp_path: Path, matrix: str, full: bool, bits: int
) -> None:
    path = _film(tmp_path / "film.mp4", photo.astype(np.uint16) * 257, matrix, bits=bits, full=full)
    assert np.abs(_shown(path) - photo).mean() < 1.5


def test_a_film_of_many_colours_but_an_ordinary_range(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    values = encoded(photo, 14, BT_2020)
    path = _film(tmp_path / "film.mp4", values, "bt2020nc", bits=10, tags="colorprim=bt2020:transfer=bt2020-10")
    assert np.abs(_shown(path) - photo).mean() < 2


# Pictures


def _png(values: NDArray[np.uint16], primaries: int, transfer: int, *, before: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    parts = [
        (b"IHDR", head),
        (b"cICP", bytes([primaries, transfer, 0, 1])),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(("primaries", "transfer"), [(BT_2020, PQ), (BT_2020, HLG), (DISPLAY_P3, 13), (BT_709, 13)])
def test_a_picture_of_sixteen_bits_that_tells_its_code_points(
    photo: NDArray[np.uint8], primaries: int, transfer: int
) -> None:
    shown = np.asarray(read_image(_png(encoded(photo, transfer, primaries), primaries, transfer))).astype(int)
    assert np.abs(shown - photo).mean() < (6 if transfer in SIGNALS else 1.5)


def test_an_avif_picture_of_a_high_dynamic_range(photo: NDArray[np.uint8]) -> None:
    """Pillow writes no such file, so its code points are put into one: they stand in a box of fixed length."""
    file = io.BytesIO()
    Image.fromarray((encoded(photo, PQ, BT_2020) // 257).astype(np.uint8)).save(file, "AVIF", quality=95)
    data = file.getvalue()
    place = data.index(b"colrnclx") + 8
    matrix = data[place + 4 : place + 6]
    bright = data[:place] + struct.pack(">HH", BT_2020, PQ) + matrix + data[place + 6 :]
    assert np.abs(np.asarray(read_image(bright)).astype(int) - photo).mean() < 9
    assert np.abs(np.asarray(read_image(data)).astype(int) - photo).mean() > 25
