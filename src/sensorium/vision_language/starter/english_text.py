"""What a label or a search says, for an encoder that knows English nouns and whether there are people."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from importlib.resources import files as package_files

_DATA = package_files("sensorium.vision_language.starter").joinpath("data")

_TEMPLATE = re.compile(
    r"^(?:(?:an?|the|this is an?|there is an?)\s+)?(?:[\w-]+\s+){0,2}?"
    r"(?:photos?|photographs?|pictures?|images?|snapshots?)\s+(?:of|showing)\s+(?:(?:an?|the|some)\s+)?(?=\S)",
    re.IGNORECASE,
)
_EMPTY_WORDS = {
    *("a", "an", "and", "are", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "over"),
    *("s", "some", "the", "their", "there", "this", "to", "two", "three", "under", "with"),
}


def without_template(text: str) -> str:
    """Return what a prompt such as "a photo of a cat" is about."""
    return _TEMPLATE.sub("", text.strip())


def is_latin(text: str) -> bool:
    """Return whether most letters of a text are Latin; True for a text without letters."""
    letters = [character for character in text if character.isalpha()]
    latin = sum(unicodedata.name(character, "").startswith(("LATIN", "FULLWIDTH LATIN")) for character in letters)
    return 2 * latin >= len(letters)


def about_people(text: str) -> float:
    """Return how much a text is about people: 0 not at all, 1 about nothing else."""
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in _EMPTY_WORDS]
    anybody, somebody = _people_words()
    if words and all(word in anybody for word in words):
        return 1.0
    return 0.5 if any(word in anybody or word in somebody for word in words) else 0.0


@cache
def _people_words() -> tuple[frozenset[str], frozenset[str]]:
    path = _DATA.joinpath("people_words.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return frozenset(table["anybody"]), frozenset(table["somebody"])
