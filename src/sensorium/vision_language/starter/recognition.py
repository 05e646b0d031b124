"""What a picture shows, by everyday names, and where in the picture that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from sensorium.record import Record
from sensorium.vision_language.starter.vocabulary import (
    Thing,
    class_names,
    find_thing,
    is_everyday,
    things,
    with_article,
)

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.starter.efficientnet_lite import EfficientNetLite0, Seen

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

    def look(self, image: PIL.Image.Image) -> Look:
        """Look at the whole of an RGB picture and at parts of it."""
        from sensorium.vision_language.starter.conse import ConSE

        probabilities = self.probabilities([image, *(image.crop(box) for box in _crops(*image.size))])
        backend = self._clip.backend
        return Look(probabilities, image, backend.classifier if isinstance(backend, ConSE) else None)

    def probabilities(self, views: Sequence[PIL.Image.Image]) -> np.ndarray:
        """Return how likely each class is in each of some RGB pictures, float32 ``[views, 1000]``."""
        from sensorium.vision_language.starter import efficientnet_lite
        from sensorium.vision_language.starter.conse import ConSE

        backend = self._clip.backend
        if isinstance(backend, ConSE):
            pixels = np.stack([efficientnet_lite.preprocess(view) for view in views])
            return backend.classifier.see(pixels).probabilities
        prompts = [f"a photo of {with_article(name)}" for name in class_names()]
        return self._clip.similarity_rows(views, prompts)


class Look:
    """What a picture shows.

    Attributes:
        probabilities: How likely each class is in the whole picture (first row) and in parts of it, float32
            ``[views, 1000]``.
    """

    def __init__(
        self, probabilities: np.ndarray, image: PIL.Image.Image, classifier: EfficientNetLite0 | None = None
    ) -> None:
        self.probabilities = probabilities
        self._image = image
        self._classifier = classifier

    def locate(self, thing: Thing) -> np.ndarray | None:
        """Return how much each part of the picture speaks for a thing, from 0 to 1, or None if that can't be told.

        Returns:
            float32 ``[7, 7]`` over the whole picture.
        """
        if self._classifier is None:
            return None
        activation = self._classifier.class_activation(self._whole, 0, sorted(thing.classes))
        most = float(activation.max())
        return np.clip(activation / most, 0, 1) if most > 0 else None

    @cached_property
    def _whole(self) -> Seen:
        """What the classifier makes of the picture without cropping, seen once for all things."""
        from sensorium.vision_language.starter import efficientnet_lite

        assert self._classifier is not None
        return self._classifier.see(efficientnet_lite.squeeze(self._image)[None])


def confidence_in(thing: Thing, probabilities: np.ndarray) -> float:
    """Return how likely it is, from 0 to 1, that a picture shows a thing.

    Args:
        thing: Of the vocabulary.
        probabilities: `Look.probabilities`.
    """
    masses = probabilities[:, sorted(thing.classes)].sum(1)
    needed = _SURE_IN_A_CROP if is_everyday(thing) else _SURE_OF_RARE_NAME_IN_A_CROP
    return float(min(1.0, max([masses[0], *(mass for mass in masses[1:] if mass >= needed)])))


def speaks_for(thing: Thing, tag: Thing, probabilities: np.ndarray) -> bool:
    """Return whether what speaks for a tag speaks mostly for a thing as well, as an espresso does for a cup."""
    both = float(probabilities[0, sorted(thing.classes & tag.classes)].sum())
    return 2 * both >= float(probabilities[0, sorted(tag.classes)].sum())


def slightest_sign_of(thing: Thing, probabilities: np.ndarray) -> float:
    """Return the highest probability of a thing in any part of the picture."""
    return float(probabilities[:, sorted(thing.classes)].sum(1).max())


def choose_tags(probabilities: np.ndarray) -> tuple[Tag, ...]:
    """Return what a picture shows by the most exact names that are sure, then what it may show.

    Args:
        probabilities: `Look.probabilities`.
    """
    classes, starts = _classes_of_things()
    whole, *parts = np.minimum(np.add.reduceat(probabilities[:, classes], starts, axis=1), 1.0)
    chosen = _most_exact(np.flatnonzero(whole >= _thresholds()))
    tags: list[Tag] = []
    covered: set[int] = set()
    for index in sorted(chosen, key=lambda index: len(things()[index].classes)):
        # "Coffee", "cup" and "drink" are all true of an espresso; the narrowest says enough.
        thing = things()[index]
        if not thing.classes & covered:
            tags.append(Tag(thing.name, _broader(thing, whole), round(float(whole[index]), 2), True))
        covered |= thing.classes
    tags.sort(key=lambda tag: -tag.confidence)
    for part in parts:
        for index in _most_exact(np.flatnonzero(part >= _thresholds_in_a_crop())):
            thing = things()[index]
            if not thing.classes & covered and len(thing.classes) <= _EXACT:
                tags.append(Tag(thing.name, "", round(float(part[index]), 2), True))
                covered |= thing.classes
                chosen.append(index)
    sure = [things()[index] for index in chosen]
    possible = [index for index in np.flatnonzero(whole >= _PERHAPS).tolist() if index not in chosen]
    guesses = [
        (float(whole[index]), things()[index])
        for index in _most_exact(possible)
        if len(things()[index].classes) <= _EXACT_GUESS
        and not any(_adds_nothing(things()[index], other) for other in sure)
    ]
    guesses.sort(key=lambda guess: -guess[0])
    return (*tags, *(Tag(thing.name, "", round(mass, 2), False) for mass, thing in guesses[:_MOST_PERHAPS]))


def thing_of(tag: Tag) -> Thing:
    """Return what a tag stands for."""
    thing = find_thing(tag.name)
    assert thing is not None, f"the tag {tag.name!r} is not in the vocabulary"
    return thing


@cache
def _classes_of_things() -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of all things, one thing after the other, and where each thing's begin."""
    classes = [sorted(thing.classes) for thing in things()]
    return np.concatenate(classes), np.cumsum([0, *map(len, classes[:-1])])


def is_sure(thing: Thing, probabilities: np.ndarray) -> bool:
    """Return whether a picture surely shows a thing, by whatever name.

    Args:
        thing: Of the vocabulary.
        probabilities: `Look.probabilities`.
    """
    return confidence_in(thing, probabilities) >= _needed(thing)


def is_absent(thing: Thing, probabilities: np.ndarray) -> bool:
    """Return whether a picture shows no sign of a thing, in any part of it; never of one that is known in part only.

    Args:
        thing: Of the vocabulary.
        probabilities: `Look.probabilities`.
    """
    return not thing.partial and slightest_sign_of(thing, probabilities) < _NO_SIGN + _extra(thing) / 2


@cache
def _thresholds() -> np.ndarray:
    """Return how much probability each thing needs in the whole picture to be sure."""
    return np.array([_needed(thing) for thing in things()])


@cache
def _thresholds_in_a_crop() -> np.ndarray:
    return np.array([_SURE_IN_A_CROP if is_everyday(thing) else _SURE_OF_RARE_NAME_IN_A_CROP for thing in things()])


def _needed(thing: Thing) -> float:
    return _SURE + _extra(thing) if is_everyday(thing) else _SURE_OF_RARE_NAME


def _extra(thing: Thing) -> float:
    return min(_MOST_FOR_CLASSES, _MORE_FOR_A_CLASS * len(thing.classes))


def _most_exact(found: Iterable[int]) -> list[int]:
    """Return the things among those found that no other of them is a kind of."""
    every = [int(index) for index in found]
    classes = [things()[index].classes for index in every]
    return [index for index, mine in zip(every, classes, strict=True) if not any(others < mine for others in classes)]


def _adds_nothing(guess: Thing, sure: Thing) -> bool:
    """Return whether a guess is less exact than what is sure, or splits hairs over it."""
    return sure.classes < guess.classes or (guess.classes < sure.classes and len(sure.classes) <= _NARROW)


def _broader(thing: Thing, whole: np.ndarray) -> str:
    """Return the narrowest name of a kind that the thing belongs to and that is sure; "" if there is none."""
    wider = [
        other
        for index in np.flatnonzero(whole >= _thresholds()).tolist()
        if (other := things()[index]) is not thing and thing.kinds <= other.kinds and len(other.classes) <= 2 * _BROAD
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
