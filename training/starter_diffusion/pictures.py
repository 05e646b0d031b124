"""The packed data set: one zip file with the pictures as WebP, and a manifest that says what each is and whose."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

MANIFEST = "manifest.json"
_FIXED_DATE = (2000, 1, 1, 0, 0, 0)  # the same pictures make the same file


@dataclass(frozen=True)
class Picture:
    """A thing drawn in a style, on nothing.

    Attributes:
        name: What it shows.
        style: How it is drawn.
        hue: Its hue in degrees if it has a single one, else None.
        colour: The name of that colour, or "".
        package: Where it is from: npm package with version.
        icon: Its name or path there.
        licence: SPDX name.
    """

    name: str
    style: str
    hue: float | None
    colour: str
    package: str
    icon: str
    licence: str


@dataclass(frozen=True)
class Manifest:
    """What the data set holds and what is hidden from training.

    Attributes:
        pictures: In the order of the files.
        hidden_concepts: Never seen in training.
        hidden_style_pairs: (concept, style) never seen together.
        hidden_colour_pairs: (concept, colour) never seen together.
        vocabulary: The names of the things that training shows, sorted.
    """

    pictures: tuple[Picture, ...]
    hidden_concepts: tuple[str, ...]
    hidden_style_pairs: tuple[tuple[str, str], ...]
    hidden_colour_pairs: tuple[tuple[str, str], ...]
    vocabulary: tuple[str, ...]

    def is_hidden(self, index: int) -> bool:
        """Return whether a picture takes no part in training."""
        picture = self.pictures[index]
        return picture.name in self.hidden_concepts or (picture.name, picture.style) in self.hidden_style_pairs


class Pictures:
    """A packed data set, opened; pictures are decoded when first asked for.

    Args:
        path: The zip file.

    Attributes:
        manifest: What it holds.
        digest: Sum of the file.
    """

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        table = json.loads(self._zip.read(MANIFEST))
        self.manifest = Manifest(
            pictures=tuple(Picture(**item) for item in table["pictures"]),
            hidden_concepts=tuple(table["hidden_concepts"]),
            hidden_style_pairs=tuple((name, style) for name, style in table["hidden_style_pairs"]),
            hidden_colour_pairs=tuple((name, colour) for name, colour in table["hidden_colour_pairs"]),
            vocabulary=tuple(table["vocabulary"]),
        )
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._decoded: dict[int, PIL.Image.Image] = {}

    def sprite(self, index: int) -> PIL.Image.Image:
        """Return a picture, RGBA, square, the thing reaching to two opposite edges."""
        if index not in self._decoded:
            with PIL.Image.open(io.BytesIO(self._zip.read(file_name(index)))) as image:
                self._decoded[index] = image.convert("RGBA")
        return self._decoded[index]

    def extract(self, prefix: str, folder: Path) -> bool:
        """Write the other files whose names start with ``prefix`` into ``folder``; return whether there are any."""
        names = [name for name in self._zip.namelist() if name.startswith(prefix)]
        for name in names:
            self._zip.extract(name, folder)
        return bool(names)


def file_name(index: int) -> str:
    """Return the name of a picture's file in the zip."""
    return f"pictures/{index:05}.webp"


def write(
    path: Path,
    manifest: Manifest,
    sprites: Sequence[PIL.Image.Image],
    quality: int,
    others: Mapping[str, bytes] | None = None,
) -> None:
    """Write a data set whole or not at all.

    Args:
        path: The zip file.
        manifest: Describes ``sprites`` one by one.
        sprites: RGBA.
        quality: Of the WebP files, 1 to 100; 100 is lossless.
        others: More files by name.
    """
    partial = path.with_name(f"{path.name}.partial")
    with zipfile.ZipFile(partial, "w") as archive:

        def add(name: str, content: bytes, compression: int) -> None:
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content, compression)

        add(MANIFEST, json.dumps(asdict(manifest), indent=1).encode(), zipfile.ZIP_DEFLATED)
        for index, sprite in enumerate(sprites):
            stream = io.BytesIO()
            sprite.save(stream, "webp", quality=quality, lossless=quality == 100, method=4)
            add(file_name(index), stream.getvalue(), zipfile.ZIP_STORED)
        for name, content in (others or {}).items():
            add(name, content, zipfile.ZIP_DEFLATED)
    partial.replace(path)


def cut_out(image: PIL.Image.Image, side: int) -> PIL.Image.Image:
    """Cut a thing out of its transparent margin and put it into the middle of a square of ``side`` pixels."""
    image = image.convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > 16 else 0).getbbox() or (0, 0, *image.size)
    thing = image.crop(box)
    scale = side / max(thing.size)
    thing = thing.resize([max(1, round(length * scale)) for length in thing.size], PIL.Image.Resampling.LANCZOS)
    square = PIL.Image.new("RGBA", (side, side))
    square.paste(thing, ((side - thing.width) // 2, (side - thing.height) // 2))
    return square


def single_hue(sprite: PIL.Image.Image) -> float | None:
    """Return the hue in degrees of a thing that has essentially one, else None."""
    pixels = _hsv(sprite)
    if not len(pixels):
        return None
    hue, saturation, value = pixels.T
    coloured = (saturation > 0.3) & (value > 0.35)
    if coloured.mean() < 0.45:
        return None
    weights = np.where(coloured, saturation * value, 0)
    around = np.histogram(hue, bins=72, range=(0, 360), weights=weights)[0]
    window = sum(np.roll(around, shift) for shift in range(-5, 6))
    best = int(window.argmax())
    if window[best] < 0.68 * around.sum():
        return None
    near = np.abs((hue - best * 5 + 180) % 360 - 180) <= 30
    angles = np.deg2rad(hue[near])
    return float(np.rad2deg(np.angle(np.sum(weights[near] * np.exp(1j * angles)))) % 360)


def brightness(sprite: PIL.Image.Image) -> tuple[float, float]:
    """Return the median saturation and value of a thing's coloured pixels, 0 to 1."""
    pixels = _hsv(sprite)
    coloured = pixels[(pixels[:, 1] > 0.3) & (pixels[:, 2] > 0.35)]
    return (float(np.median(coloured[:, 1])), float(np.median(coloured[:, 2]))) if len(coloured) else (0.0, 0.0)


def _hsv(sprite: PIL.Image.Image) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return hue (degrees), saturation and value of the solid pixels, ``[n, 3]``."""
    solid = np.asarray(sprite.getchannel("A")) > 128
    pixels = np.asarray(sprite.convert("RGB").convert("HSV"))[solid].astype(np.float64)
    return pixels * [360 / 256, 1 / 255, 1 / 255]
