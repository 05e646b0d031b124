"""The colours of a picture, by the names people use, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from sensorium.record import Record
from sensorium.vision_language.starter.phrases import Phrase, listed

if TYPE_CHECKING:
    import PIL.Image

_SIDE = 96
_LEAST_SHARE = 0.05
_TINT = 6.0
_WORTH_NAMING = 0.4
_NEARLY_ALL = 0.9

# A name may have several prototypes: people call a wide range of colours "brown" and a narrow one "teal".
_PROTOTYPES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("black", (8, 8, 8)),
    ("black", (32, 32, 34)),
    ("dark grey", (74, 74, 76)),
    ("grey", (128, 128, 128)),
    ("light grey", (186, 186, 188)),
    ("white", (236, 236, 236)),
    ("white", (255, 255, 255)),
    ("red", (225, 30, 35)),
    ("red", (180, 25, 25)),
    ("dark red", (115, 15, 20)),
    ("orange", (255, 140, 10)),
    ("orange", (225, 105, 30)),
    ("orange", (235, 150, 70)),
    ("orange", (205, 120, 20)),
    ("orange", (200, 88, 25)),
    ("red", (165, 50, 30)),
    ("brown", (135, 80, 40)),
    ("brown", (95, 60, 35)),
    ("brown", (165, 115, 75)),
    ("brown", (122, 102, 84)),
    ("dark brown", (58, 38, 26)),
    ("dark brown", (72, 58, 48)),
    ("beige", (205, 180, 145)),
    ("beige", (228, 212, 185)),
    ("yellow", (250, 225, 40)),
    ("yellow", (225, 195, 60)),
    ("yellow", (245, 235, 140)),
    ("yellow", (222, 195, 105)),
    ("yellow", (195, 165, 70)),
    ("olive green", (115, 115, 45)),
    ("olive green", (80, 80, 35)),
    ("green", (45, 155, 55)),
    ("green", (110, 165, 60)),
    ("green", (75, 120, 65)),
    ("dark green", (22, 65, 30)),
    ("light green", (165, 215, 130)),
    ("light green", (180, 205, 165)),
    ("teal", (20, 125, 125)),
    ("dark teal", (10, 60, 65)),
    ("light blue", (150, 195, 230)),
    ("light blue", (95, 165, 225)),
    ("blue", (35, 90, 205)),
    ("blue", (60, 110, 170)),
    ("dark blue", (20, 30, 95)),
    ("dark blue", (40, 55, 85)),
    ("purple", (120, 50, 150)),
    ("purple", (160, 120, 190)),
    ("dark purple", (65, 30, 80)),
    ("pink", (245, 160, 190)),
    ("pink", (230, 85, 145)),
    ("pink", (225, 170, 165)),
)

_REGIONS = {
    "picture": (0.0, 0.0, 1.0, 1.0),
    "middle": (0.25, 0.25, 0.75, 0.75),
    "top": (0.0, 0.0, 1.0, 0.33),
    "bottom": (0.0, 0.67, 1.0, 1.0),
    "left": (0.0, 0.0, 0.33, 1.0),
    "right": (0.67, 0.0, 1.0, 1.0),
}


@dataclass(frozen=True, eq=False, repr=False)
class ColourShare(Record):
    """A colour and how much of a region it covers.

    Attributes:
        name: Its everyday name, such as "dark blue".
        region: ``"picture"``, ``"middle"``, ``"top"``, ``"bottom"``, ``"left"``, ``"right"``, or the name of a thing.
        share: Part of the region, from 0 to 1.
    """

    name: str
    region: str
    share: float


def name_pixels(image: PIL.Image.Image) -> np.ndarray:
    """Name the colour of each pixel of a reduced copy of a picture.

    Args:
        image: RGB.

    Returns:
        Indices into `colour_names`, int ``[height, width]``, at most 96 pixels on a side.
    """
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    pixels = _to_lab(np.asarray(small.convert("RGB"), dtype=np.float64) / 255)
    prototypes, owners = _prototypes_in_lab()
    # Lightness counts half: shadow and light move it without changing the name.
    weights = np.array([0.6, 1.0, 1.0])
    distances = (((pixels[..., None, :] - prototypes) * weights) ** 2).sum(-1)
    named: np.ndarray = owners[distances.argmin(-1)]
    return named


def colour_names() -> tuple[str, ...]:
    """Return the names that `name_pixels` indexes."""
    return tuple(dict.fromkeys(name for name, _ in _PROTOTYPES))


def by_region(named: np.ndarray) -> tuple[ColourShare, ...]:
    """Return the colours that cover a good part of each region, most first.

    Args:
        named: What `name_pixels` returned.
    """
    height, width = named.shape
    found = []
    for region, (left, top, right, bottom) in _REGIONS.items():
        rows = slice(int(top * height), max(int(bottom * height), int(top * height) + 1))
        columns = slice(int(left * width), max(int(right * width), int(left * width) + 1))
        weights = np.zeros((height, width))
        weights[rows, columns] = 1
        found += within(named, weights, region)
    return tuple(found)


def within(named: np.ndarray, weights: np.ndarray, region: str) -> list[ColourShare]:
    """Return the colours of a weighted part of a picture, most first.

    Args:
        named: What `name_pixels` returned.
        weights: How much each pixel counts, ``[height, width]``.
        region: What to call the part.
    """
    names = colour_names()
    shares = np.bincount(named.ravel(), weights=weights.ravel(), minlength=len(names))
    shares = shares / max(shares.sum(), 1e-9)
    order = shares.argsort()[::-1]
    return [
        ColourShare(names[index], region, round(float(shares[index]), 3))
        for index in order
        if shares[index] >= _LEAST_SHARE
    ]


def describe_colours(colours: Sequence[ColourShare]) -> Phrase:
    """Return the colours of one region in words: ``"brown"``, ``"mostly black and white"``, ``"of many colours"``.

    Shades of one colour count together; a second colour is named if it covers at least half as much as the first.
    """
    shares: dict[str, float] = {}
    for colour in colours:
        base = colour.name.split()[-1]
        shares[base] = shares.get(base, 0) + colour.share
    order = sorted(shares, key=lambda base: -shares[base])
    named = [base for base in order[:2] if 2 * shares[base] >= shares[order[0]]]
    covered = sum(shares[base] for base in named)
    if covered < _WORTH_NAMING:
        return Phrase("of many colours")
    shades = {base: [colour.name for colour in colours if colour.name.split()[-1] == base] for base in named}
    words = listed([shades[base][0] if len(shades[base]) == 1 else base for base in named])
    return Phrase("{colours}" if covered >= _NEARLY_ALL else "mostly {colours}", colours=words)


def is_monochrome(image: PIL.Image.Image) -> bool:
    """Return whether an RGB picture is black and white, a slight tint allowed."""
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    lab = _to_lab(np.asarray(small.convert("RGB"), dtype=np.float64) / 255)
    spread = np.hypot(*(lab[..., axis] - np.median(lab[..., axis]) for axis in (1, 2)))
    return bool(np.percentile(spread, 98) < _TINT and abs(np.median(lab[..., 1:])) < 2 * _TINT)


@cache
def _prototypes_in_lab() -> tuple[np.ndarray, np.ndarray]:
    names = colour_names()
    colours = np.array([colour for _, colour in _PROTOTYPES], dtype=np.float64) / 255
    return _to_lab(colours), np.array([names.index(name) for name, _ in _PROTOTYPES])


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB in [0, 1] to CIE L*a*b* under D65."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
