"""Facts about a picture that something measured: what is in it, people, colours, layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.answer import Evidence
from sensorium.record import Record

if TYPE_CHECKING:
    from sensorium.vision_language.people import Person


@dataclass(frozen=True, eq=False, repr=False)
class Tag(Record):
    """Something that the picture shows.

    Attributes:
        name: A noun, such as "dog".
        confidence: From 0 to 1.
    """

    name: str
    confidence: float


@dataclass(frozen=True, eq=False, repr=False)
class ColourShare(Record):
    """A colour and how much of a region it covers.

    Attributes:
        name: Its everyday name, such as "dark blue".
        region: ``"whole"``, ``"centre"``, ``"top"``, ``"bottom"``, ``"left"``, ``"right"``.
        share: Part of the region, from 0 to 1.
    """

    name: str
    region: str
    share: float


@dataclass(frozen=True, eq=False, repr=False)
class Scene(Record):
    """What was measured in a picture.

    Attributes:
        width: In pixels.
        height: In pixels.
        tags: What it shows, likeliest first.
        people: Who was found.
        colours: Colours by region, most first.
        brightness: Mean lightness from 0 (black) to 1 (white).
        sharpness: From 0 (nothing but blur) to 1.
        model: Names of the checkpoints that looked.
    """

    width: int
    height: int
    tags: tuple[Tag, ...]
    people: tuple[Person, ...]
    colours: tuple[ColourShare, ...]
    brightness: float
    sharpness: float
    model: str

    def facts(self) -> tuple[Evidence, ...]:
        """Return the facts in words, the surest first."""
        raise NotImplementedError
