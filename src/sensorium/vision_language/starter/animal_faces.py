"""Tells the faces of animals, which a face detector takes for people's, from people's: a classifier looks at each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sensorium.vision_language.person import Box
from sensorium.vision_language.starter.vocabulary import find_thing

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.vision_language.starter.recognition import Recogniser

# Crops around a face, as multiples of its longer side.
_CROPS = (1.3, 2.0, 3.0)
# Chosen on cut-outs of animals and on photographs of people, alone and beside animals; well above every person's face.
_AN_ANIMALS = 0.5


def is_of_an_animal(face: Box, picture: PIL.Image.Image, recogniser: Recogniser) -> bool:
    """Return whether a face is an animal's.

    Args:
        face: Left, top, right, bottom in pixels.
        picture: RGB.
        recogniser: What looks at the face and around it.
    """
    animal = find_thing("animal")
    assert animal is not None
    probabilities = recogniser.probabilities([picture.crop(box) for box in _crops(face, *picture.size)])
    return float(probabilities[:, sorted(animal.classes)].sum(1).mean()) >= _AN_ANIMALS


def _crops(face: Box, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield squares around a face, cut at the picture's edges."""
    left, top, right, bottom = face
    x, y = (left + right) / 2, (top + bottom) / 2
    for scale in _CROPS:
        half = max(right - left, bottom - top) * scale / 2
        first, above = max(0, round(x - half)), max(0, round(y - half))
        yield first, above, min(width, max(first + 1, round(x + half))), min(height, max(above + 1, round(y + half)))
