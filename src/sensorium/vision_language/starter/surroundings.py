"""What is around the things in a picture: whether it was taken outdoors, whether water and the sky can be seen.

A classifier that knows things tells it by what goes with them: bridges with water, palaces with the sky above. It says
yes where that is clear and never no.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files as package_files

from sensorium.vision_language.starter.colours import ColourShare
from sensorium.vision_language.starter.phrases import Phrase
from sensorium.vision_language.starter.scene import Scene
from sensorium.vision_language.starter.vocabulary import class_ranges, singular

# Chosen on photographs of places, rooms and things, and true of all that chose them.
_SURELY_THERE = {"outdoors": 0.5, "indoors": 0.5, "water": 0.7}
_SKY_COLOURS = {"light blue", "blue", "white", "light grey"}
_BLUE = {"light blue", "blue"}
_BLUE_SKY, _ANY_SKY = 0.5, 0.6
"""Of the top of the picture."""

SKY, WATER = "sky", "water"


def place_of(scene: Scene) -> str:
    """Return where a picture was probably taken: ``"outdoors"``, ``"indoors"``; ``""`` if that can't be told."""
    return next((place for place in ("outdoors", "indoors") if _shows(scene, place)), "")


def named_surroundings(phrase: str) -> str:
    """Return which surroundings a noun phrase names: ``"sky"``, ``"water"``; ``""`` if none, or if it says more."""
    noun = singular(phrase)
    return noun if noun in {SKY, WATER} else ""


def in_words(name: str) -> Phrase:
    """Return surroundings as a noun with its article."""
    return Phrase("{noun}", english=f"the {name}" if name == SKY else name, noun=name)


def can_be_seen(scene: Scene, name: str) -> bool:
    """Return whether the sky or water can surely be seen; False says nothing."""
    if name == WATER:
        return _shows(scene, WATER)
    shares = {colour.name: colour.share for colour in sky_colours(scene)}
    blue = sum(share for name, share in shares.items() if name in _BLUE)
    return _shows(scene, "outdoors") and (blue >= _BLUE_SKY or sum(shares.values()) >= _ANY_SKY)


def sky_colours(scene: Scene) -> tuple[ColourShare, ...]:
    """Return the colours at the top of a picture that a sky by day may have; none of a black and white one."""
    if scene.monochrome:
        return ()
    return tuple(colour for colour in scene.colours_of("top") if colour.name in _SKY_COLOURS)


def _shows(scene: Scene, name: str) -> bool:
    return scene.probability_of(_classes()[name]) >= _SURELY_THERE[name]


@cache
def _classes() -> dict[str, frozenset[int]]:
    path = package_files("sensorium.vision_language.starter").joinpath("data/surroundings.toml")
    return {name: class_ranges(ranges) for name, ranges in tomllib.loads(path.read_text(encoding="utf-8")).items()}
