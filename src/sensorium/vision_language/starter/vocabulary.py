"""Everyday names of things, over the 1000 classes that image classifiers are trained on.

A name covers all classes that show it: breeds add up to "dog", palaces and churches to "building". So a picture
whose exact class is unsure still tells surely that there is a dog.

Source: Deng et al. 2012, Hedging Your Bets: Optimizing Accuracy-Specificity Trade-offs in Large Scale Visual
Recognition.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from typing import Any

from sensorium.vision_language.starter.phrases import Phrase

_DATA = package_files("sensorium.vision_language.starter").joinpath("data")

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "wolves": "wolf",
    "knives": "knife",
    "leaves": "leaf",
    "shelves": "shelf",
    "loaves": "loaf",
    "scarves": "scarf",
    "oxen": "ox",
    "feet": "foot",
    "teeth": "tooth",
}


@dataclass(frozen=True)
class Thing:
    """Something that a picture may show.

    Attributes:
        name: Its everyday name, in the singular.
        classes: The ImageNet classes that show it.
        kinds: Those of them that are kinds of it.
        partial: Whether those are only some of the things that people call so.
    """

    name: str
    classes: frozenset[int]
    kinds: frozenset[int]
    partial: bool = False


@cache
def class_names() -> tuple[str, ...]:
    """Return the names of the 1000 ImageNet classes, in their order."""
    text = _DATA.joinpath("imagenet_classes.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))


@cache
def things() -> tuple[Thing, ...]:
    """Return everything that has a name: the everyday names, then each class that none of them renames."""
    named = [_everyday_thing(entry) for entry in _everyday_names()]
    renamed = {next(iter(thing.kinds)) for thing in named if len(thing.kinds) == 1}
    rest = [
        Thing(_plain(name), frozenset([index]), frozenset([index]))
        for index, name in enumerate(class_names())
        if index not in renamed
    ]
    return (*named, *rest)


def known_words() -> tuple[str, ...]:
    """Return every word and name that stands for a thing, as `find_thing` knows them."""
    return tuple(_by_word())


def is_everyday(thing: Thing) -> bool:
    """Return whether people use the name, rather than only the makers of a data set."""
    return thing.name in _everyday_words()


def find_thing(words: str) -> Thing | None:
    """Return what a noun stands for, in the singular or plural, or None if it is not in the vocabulary."""
    for form in _forms(words.lower().strip()):
        if form in _by_word():
            return _by_word()[form]
    return None


def singular(noun: str) -> str:
    """Return the singular of an English noun, by rule; a singular stays as it is."""
    *before, last = noun.split(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith("ies") and len(last) > 4:
        last = last[:-3] + "y"
    elif last.endswith(("ches", "shes", "sses", "xes", "zes")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 3:
        last = last[:-1]
    return " ".join([*before, last])


def with_article(noun: str) -> Phrase:
    """Return the noun with "a" or "an", or bare where it can't be counted or is in the plural."""
    if noun in _UNCOUNTED or (noun.endswith("s") and not noun.endswith(("ss", "us", "is"))):
        return Phrase("{noun}", noun=noun)
    article = "an" if noun[0].lower() in "aeiou" and not noun.startswith(("uni", "eu", "one")) else "a"
    return Phrase("a {noun}", english=f"{article} {noun}", noun=noun)


_UNCOUNTED = {
    "food", "fruit", "citrus fruit", "bread", "pasta", "coffee", "espresso", "wine", "red wine", "corn", "clothing",
    "furniture", "jewellery", "coral", "landscape", "sports equipment", "soup", "chocolate", "hay", "wool", "shellfish",
    "guacamole", "eggnog", "dough", "rapeseed", "toilet paper", "chocolate syrup", "hot pot",
}  # fmt: skip


def _forms(words: str) -> Iterator[str]:
    yield words
    yield singular(words)


@cache
def _by_word() -> dict[str, Thing]:
    found: dict[str, Thing] = {}
    # A class's own name comes first, then everyday names, so that "gorilla" is not merely some ape.
    for thing in reversed(things()):
        found[thing.name.lower()] = thing
    for entry, thing in zip(_everyday_names(), things(), strict=False):
        for word in entry.get("also", ()):
            found.setdefault(word, thing)
    for thing in things():
        found.setdefault(singular(thing.name.lower()), thing)
    return found


@cache
def _everyday_names() -> tuple[dict[str, Any], ...]:
    text = _DATA.joinpath("everyday_names.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["names"])


@cache
def _everyday_words() -> frozenset[str]:
    return frozenset(str(entry["name"]) for entry in _everyday_names())


def _everyday_thing(entry: dict[str, Any]) -> Thing:
    kinds = class_ranges(entry["classes"])
    partial = entry.get("partial", False) or not kinds
    return Thing(entry["name"], kinds | class_ranges(entry.get("shown_by", "")), kinds, partial)


def class_ranges(ranges: str) -> frozenset[int]:
    """Return the classes that a data file lists: ``"7-9,11"``."""
    bounds = (part.partition("-") for part in ranges.split(",") if part)
    return frozenset(index for first, _, last in bounds for index in range(int(first), int(last or first) + 1))


def _plain(name: str) -> str:
    """Return a class name without alternatives and remarks: ``"kite (bird of prey)"`` is a kite."""
    return name.partition(" (")[0].partition(" / ")[0].partition(" or ")[0].partition(", ")[0]
