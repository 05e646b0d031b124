"""What a label or a search says, for an encoder that knows English nouns and whether there are people."""

from __future__ import annotations

import gzip
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

_FOREIGN_WORDS = {
    *("au", "aux", "auf", "aus", "bei", "con", "dans", "das", "de", "dei", "del", "della", "dem", "den", "der", "des"),
    *("di", "du", "een", "ein", "eine", "einem", "einen", "einer", "eines", "el", "em", "en", "et", "gli", "het", "il"),
    *("im", "la", "las", "le", "les", "lo", "los", "mit", "na", "nel", "nos", "oder", "och", "og", "op", "os", "para"),
    *("pour", "sur", "uma", "un", "una", "und", "une", "uno", "unos", "von", "vom", "voor", "zu", "zum", "zur"),
}
"""Little words of other languages; some are rare words or parts of names in English, among its own little words."""
_ENGLISH_WORDS = {"an", "and", "are", "at", "by", "from", "is", "of", "on", "the", "their", "this", "with"}
_BORROWED = {
    *("café", "cafés", "cliché", "crème", "crêpe", "crêpes", "décor", "entrée", "façade", "fiancé", "fiancée"),
    *("jalapeño", "jalapeños", "naïve", "piñata", "piñatas", "purée", "résumé", "sauté", "soufflé", "über"),
}
_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ers", "ly", "ish", "ness")


def without_template(text: str) -> str:
    """Return what a prompt such as "a photo of a cat" is about."""
    return _TEMPLATE.sub("", text.strip())


def is_latin(text: str) -> bool:
    """Return whether most letters of a text are Latin; True for a text without letters."""
    return is_written_in(text, "LATIN", "FULLWIDTH LATIN")


def is_written_in(text: str, *scripts: str) -> bool:
    """Return whether at least half of the letters of a text are of some scripts, by Unicode's names for these."""
    letters = [character for character in text if character.isalpha()]
    known = sum(unicodedata.name(character, "").startswith(scripts) for character in letters)
    return 2 * known >= len(letters)


def is_english(text: str) -> bool:
    """Return whether most words of a text are English, as far as a list of words tells; True without any words.

    A word that is English and something else, such as "chat" or "gift", is taken for English.
    """
    words = [word for word in re.findall(r"[^\W\d_]+", text.lower()) if len(word) > 1]
    if not words or not is_latin(text):
        return is_latin(text)
    if len(words) > 1 and not _ENGLISH_WORDS.intersection(words) and _FOREIGN_WORDS.intersection(words):
        return False
    return 2 * sum(_is_english_word(word) for word in words) > len(words)


def about_people(text: str) -> float:
    """Return how much a text is about people: 0 not at all, 1 about nothing else."""
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in _EMPTY_WORDS]
    anybody, somebody = people_words()
    if words and all(word in anybody for word in words):
        return 1.0
    return 0.5 if any(word in anybody or word in somebody for word in words) else 0.0


def _is_english_word(word: str) -> bool:
    listed = english_words()
    if word in listed or word in _BORROWED:
        return True
    stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return any(len(stem) > 2 and (stem in listed or f"{stem}e" in listed or f"{stem}y" in listed) for stem in stems)


@cache
def english_words() -> frozenset[str]:
    text = gzip.decompress(_DATA.joinpath("english_words.txt.gz").read_bytes())
    return frozenset(text.decode().split())


@cache
def people_words() -> tuple[frozenset[str], frozenset[str]]:
    """Return the words that stand for any person, and those that stand for somebody in particular."""
    path = _DATA.joinpath("people_words.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return frozenset(table["anybody"]), frozenset(table["somebody"])
