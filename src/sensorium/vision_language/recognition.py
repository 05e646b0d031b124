"""What a picture shows, by everyday names, and where in the picture that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.record import Record
from sensorium.vision_language.vocabulary import Thing, class_names, find_thing, is_everyday, things, with_article

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.vision_language.clip import CLIP

_SURE = 0.5
# A broad name adds up the doubts about many classes, so it has to gather more.
_MORE_FOR_A_CLASS = 0.002
_MOST_FOR_CLASSES = 0.2
_SURE_OF_RARE_NAME = 0.75
_SURE_IN_A_CROP = 0.75
_SURE_OF_RARE_NAME_IN_A_CROP = 0.9
_PERHAPS = 0.3
_NO_SIGN = 0.06
_BROAD = 100
_EXACT = 30
_EXACT_GUESS = 14
_NARROW = 6
_MOST_PERHAPS = 3
_CROP = 0.6


@dataclass(frozen=True, eq=False, repr=False)
class Tag(Record):
    """Something that the picture shows, or may show.

    Attributes:
        name: Its everyday name, such as "Pekingese".
        kind: A broader name that is at least as sure, such as "dog"; or "".
        confidence: From 0 to 1.
        sure: False for what the picture only may show.
    """

    name: str
    kind: str
    confidence: float
    sure: bool


class Recogniser:
    """Names what pictures show.

    With the starter encoder the names come from its classifier; with any other CLIP-like checkpoint from zero-shot
    classification over the same 1000 class names.

    Args:
        clip: The image encoder.
    """

    def __init__(self, clip: CLIP) -> None:
        self._clip = clip

    def look(self, image: PIL.Image.Image) -> np.ndarray:
        """Return how likely each class is in the whole picture (first row) and in parts of it.

        Args:
            image: RGB.

        Returns:
            float32 ``[views, 1000]``.
        """
        from sensorium.vision_language.conse import ConSE

        views = [image, *(image.crop(box) for box in _crops(*image.size))]
        backend: Any = self._clip.backend
        if isinstance(backend, ConSE):
            return np.asarray(backend.class_probabilities(np.stack([backend.preprocess(view) for view in views])))
        prompts = [f"a photo of {with_article(name)}" for name in class_names()]
        return self._clip.compute_similarity(views, prompts).numpy()

    def locate(self, image: PIL.Image.Image, thing: Thing) -> np.ndarray | None:
        """Return how much each part of the picture speaks for a thing, from 0 to 1, or None if that can't be told.

        Returns:
            float32 ``[7, 7]`` over the whole picture.
        """
        from sensorium.vision_language.conse import ConSE

        backend: Any = self._clip.backend
        if not isinstance(backend, ConSE):
            return None
        side = backend.image_side
        pixels = np.asarray(image.resize((side, side))).transpose(2, 0, 1)
        activation = backend.class_activation(np.ascontiguousarray(pixels), sorted(thing.classes))
        most = float(activation.max())
        return np.clip(activation / most, 0, 1) if most > 0 else None


def confidence_in(thing: Thing, probabilities: np.ndarray) -> float:
    """Return how likely it is, from 0 to 1, that a picture shows a thing.

    Args:
        thing: Of the vocabulary.
        probabilities: What `Recogniser.look` returned.
    """
    masses = probabilities[:, sorted(thing.classes)].sum(1)
    needed = _SURE_IN_A_CROP if is_everyday(thing) else _SURE_OF_RARE_NAME_IN_A_CROP
    return float(min(1.0, max([masses[0], *(mass for mass in masses[1:] if mass >= needed)])))


def slightest_sign_of(thing: Thing, probabilities: np.ndarray) -> float:
    """Return the highest probability of a thing in any part of the picture."""
    return float(probabilities[:, sorted(thing.classes)].sum(1).max())


def choose_tags(probabilities: np.ndarray) -> tuple[Tag, ...]:
    """Return what a picture shows by the most exact names that are sure, then what it may show.

    Args:
        probabilities: What `Recogniser.look` returned.
    """
    whole = {thing: float(probabilities[0, sorted(thing.classes)].sum()) for thing in things()}
    chosen = _most_exact(thing for thing, mass in whole.items() if mass >= _needed(thing))
    chosen.sort(key=lambda thing: -whole[thing])
    tags: list[Tag] = []
    covered: set[int] = set()
    for thing in chosen:
        # "Coffee" and "cup" are both true of an espresso; the first says enough.
        if not thing.classes & covered or not tags:
            tags.append(Tag(thing.name, _broader(thing, whole), round(min(whole[thing], 1.0), 2), True))
        covered |= thing.classes
    for row in probabilities[1:]:
        part = {thing: float(row[sorted(thing.classes)].sum()) for thing in things()}
        for thing in _most_exact(thing for thing, mass in part.items() if mass >= _needed_in_crop(thing)):
            if not thing.classes & covered and len(thing.classes) <= _EXACT:
                tags.append(Tag(thing.name, "", round(min(part[thing], 1.0), 2), True))
                covered |= thing.classes
                chosen.append(thing)
    guesses = [
        thing
        for thing in _most_exact(thing for thing, mass in whole.items() if mass >= _PERHAPS and thing not in chosen)
        if len(thing.classes) <= _EXACT_GUESS and not any(_adds_nothing(thing, other) for other in chosen)
    ]
    guesses.sort(key=lambda thing: -whole[thing])
    unsure = [Tag(thing.name, "", round(whole[thing], 2), False) for thing in guesses[:_MOST_PERHAPS]]
    return (*tags, *unsure)


def thing_of(tag: Tag) -> Thing:
    """Return what a tag stands for."""
    thing = find_thing(tag.name)
    assert thing is not None, f"the tag {tag.name!r} is not in the vocabulary"
    return thing


def is_sure(thing: Thing, probabilities: np.ndarray) -> bool:
    """Return whether a picture surely shows a thing, by whatever name.

    Args:
        thing: Of the vocabulary.
        probabilities: What `Recogniser.look` returned.
    """
    return confidence_in(thing, probabilities) >= _SURE + _extra(thing)


def is_absent(thing: Thing, probabilities: np.ndarray) -> bool:
    """Return whether a picture shows no sign of a thing, in any part of it.

    Args:
        thing: Of the vocabulary.
        probabilities: What `Recogniser.look` returned.
    """
    return slightest_sign_of(thing, probabilities) < _NO_SIGN + _extra(thing) / 2


def _needed(thing: Thing) -> float:
    return _SURE + _extra(thing) if is_everyday(thing) else _SURE_OF_RARE_NAME


def _extra(thing: Thing) -> float:
    return min(_MOST_FOR_CLASSES, _MORE_FOR_A_CLASS * len(thing.classes))


def _needed_in_crop(thing: Thing) -> float:
    return _SURE_IN_A_CROP if is_everyday(thing) else _SURE_OF_RARE_NAME_IN_A_CROP


def _most_exact(found: Any) -> list[Thing]:
    every = list(found)
    return [thing for thing in every if not any(other.classes < thing.classes for other in every)]


def _adds_nothing(guess: Thing, sure: Thing) -> bool:
    """Return whether a guess is less exact than what is sure, or splits hairs over it."""
    return sure.classes < guess.classes or (guess.classes < sure.classes and len(sure.classes) <= _NARROW)


def _broader(thing: Thing, masses: dict[Thing, float]) -> str:
    wider = [
        other
        for other, mass in masses.items()
        if thing.classes < other.classes and len(other.classes) <= 2 * _BROAD and mass >= _needed(other)
    ]
    return min(wider, key=lambda other: len(other.classes)).name if wider else ""


def _crops(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return the two end squares of a long picture, and a square in each of its corners."""
    short = min(width, height)
    corners = round(_CROP * short)
    boxes = []
    if max(width, height) > 1.15 * short:
        boxes += [(0, 0, short, short), (width - short, height - short, width, height)]
    for left in (0, width - corners):
        boxes += [(left, top, left + corners, top + corners) for top in (0, height - corners)]
    return boxes
