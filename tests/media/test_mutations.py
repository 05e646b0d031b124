"""Hundreds of damaged copies of each kind of file: each is decoded or refused, and none costs more than it may."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from sensorium.media.audio import write_audio
from tests.films import film, numbered

_SECONDS = 240
_GROWTH = 100


def picture(path: Path, **options: Any) -> Path:
    """Write a small picture with all that a camera adds."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(numbered(7, 64, 48))
    if path.suffix in (".png", ".webp"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    described = {} if path.suffix in (".gif", ".bmp") else {"exif": exif, "icc_profile": profile}
    image.save(path, **described, **options)
    return path


def plain(path: Path, **options: Any) -> Path:
    """Write a small picture in a format to which Pillow adds nothing."""
    Image.fromarray(numbered(7, 64, 48)).save(path, **options)
    return path


def animation(path: Path) -> Path:
    """Write pictures that move."""
    first, *others = (Image.fromarray(numbered(number, 48, 32)) for number in range(4))
    first.save(path, save_all=True, append_images=others)
    return path


def sound(path: Path) -> Path:
    """Write a second of sound."""
    return write_audio(np.sin(np.arange(16_000) / 20) / 2, path, 16_000, metadata={"title": "a tone"})


def moving(path: Path, **options: Any) -> Path:
    """Write a second of film with sound."""
    tone = (np.sin(np.arange(16_000) / 20) / 2).astype(np.float32)
    pictures = [numbered(number, 96, 64) for number in range(12)]
    return film(path, rate=12, group=6, pictures=pictures, sound=tone, **options)


SEEDS: dict[str, tuple[str, Callable[[Path], Path], int]] = {
    "photo.jpg": ("image", lambda path: picture(path, quality=80), 600),
    "layers.jpg": ("image", lambda path: picture(path, progressive=True), 300),
    "picture.png": ("image", picture, 600),
    "picture.webp": ("image", picture, 600),
    "moving.webp": ("image", animation, 300),
    "moving.gif": ("image", animation, 300),
    "picture.tiff": ("image", lambda path: picture(path, compression="tiff_lzw"), 300),
    "picture.bmp": ("image", picture, 300),
    "picture.avif": ("image", picture, 300),
    "moving.avif": ("image", animation, 200),
    "picture.jp2": ("image", lambda path: plain(path, tile_size=(32, 32)), 300),
    "picture.j2k": ("image", plain, 300),
    "sound.wav": ("audio", sound, 400),
    "sound.mp3": ("audio", sound, 400),
    "sound.flac": ("audio", sound, 400),
    "sound.ogg": ("audio", sound, 400),
    "sound.m4a": ("audio", sound, 300),
    "film.mp4": ("video", moving, 400),
    "film.mkv": ("video", moving, 400),
    "film.avi": ("video", lambda path: moving(path, codec="mpeg4"), 200),
    "film.ts": ("video", moving, 200),
    "film.webm": ("video", lambda path: moving(path, codec="libvpx-vp9"), 300),
}


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_copies_are_decoded_or_refused(name: str, tmp_path: Path, measured: Callable[[str], None]) -> None:
    kind, make, count = SEEDS[name]
    file = make(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "tests.media.mutated", kind, file, str(count)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        cwd=Path(__file__).parents[2],
    )
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"it ended with {done.returncode} at input {last}: {done.stderr[-2000:]}"
    assert not done.stderr
    report = json.loads(last[0])
    measured(
        f"damaged copies of {name}: {count} inputs, {report['decoded']} decoded, {report['refused']} refused, "
        f"the slowest took {report['slowest']:.2f} s, memory grew by {report['growth']:.0f} MiB"
    )
    assert not report["wrong"], "\n".join(report["wrong"])
    assert min(report["decoded"], report["refused"]) > 0
    assert report["growth"] < _GROWTH
