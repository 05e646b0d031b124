"""Puts a transparent picture on a ground that all of it stands out from."""

from __future__ import annotations

import numpy
import numpy.typing
from PIL import Image, ImageChops

_GROUNDS = ((255, 255, 255), (0, 0, 0), (128, 128, 128))
"""White is taken unless too much vanishes on it."""

_VANISHING = 1 / 3
"""If a larger share of the outlines can't be seen on white, another ground is tried."""

_ALIKE = 0.05
"""Grounds on which shares vanish that differ by less are equally good."""

_STANDS_OUT = 40
"""Levels, in the channel that differs most."""

_SKETCH = 512
"""Pixels on the longer side of the sketch on which grounds are compared."""


def on_ground(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """Return a picture without transparency: on white, or on black or grey if most outlines vanish on white.

    Args:
        colours: The picture's colours, in RGB.
        alpha: How opaque each pixel is, in "L", of the same size.

    Returns:
        An RGB picture.
    """
    ground = Image.new("RGB", colours.size, _best_ground(colours, alpha))
    ground.paste(colours, mask=alpha)
    return ground


def _best_ground(colours: Image.Image, alpha: Image.Image) -> tuple[int, int, int]:
    seen, opaque = _sketch(colours, alpha)
    outline = _outline(opaque)
    whole = outline.sum()
    if not whole:
        return _GROUNDS[0]
    vanished = [
        float(outline[numpy.abs(seen - numpy.array(ground)).max(axis=-1) < _STANDS_OUT].sum() / whole)
        for ground in _GROUNDS
    ]
    if vanished[0] <= _VANISHING or min(vanished) > vanished[0] / 2:
        return _GROUNDS[0]
    return next(ground for ground, share in zip(_GROUNDS, vanished, strict=True) if share <= min(vanished) + _ALIKE)


def _sketch(
    colours: Image.Image, alpha: Image.Image
) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32]]:
    """Return small versions: the colours of what can be seen, and how opaque it is (0 to 255)."""
    factor = -(-max(colours.size) // _SKETCH)
    weighted = ImageChops.multiply(colours, Image.merge("RGB", (alpha,) * 3)).reduce(factor)
    opaque = numpy.asarray(alpha.reduce(factor), numpy.float32)
    seen = numpy.asarray(weighted, numpy.float32) * 255 / numpy.maximum(opaque, 1)[..., None]
    return seen.astype(numpy.float32), opaque


def _outline(opaque: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float32]:
    """Return how much more opaque each pixel is than its less opaque neighbours above, below, left and right."""
    padded = numpy.pad(opaque, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    outline = numpy.zeros_like(opaque)
    for neighbour in neighbours:
        outline += (opaque - neighbour).clip(0)
    return outline
