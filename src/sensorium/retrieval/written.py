"""Finding pictures by what is written in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sensorium.retrieval.results import Match
from sensorium.retrieval.rows import Written
from sensorium.stored_path import path_or_address

if TYPE_CHECKING:
    from sensorium.task import TaskOptions
    from sensorium.vision_language.text_reader import TextReader

SIDE_TO_READ = 720
"""How many pixels the shorter side of a film's moments has that are read."""

_WITHOUT_MEANING = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "has",
        "have",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "that",
        "the",
        "their",
        "this",
        "to",
        "was",
        "were",
        "with",
    ]
)
_BETWEEN_LINES = " … "


def opened_reader(options: TaskOptions) -> TextReader:
    """Return what reads pictures, as an index's other options open its encoder."""
    from sensorium.vision_language.text_reader import TextReader

    # It runs on the CPU, wherever the encoder does, and in a precision of its own.
    return TextReader(profile=options.get("profile"), limits=options.get("limits"), device="cpu")


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a query that are looked for in writing: in small letters, without articles and the like."""
    return tuple(dict.fromkeys(word for word in re.findall(r"\w+", _plain(text)) if word not in _WITHOUT_MEANING))


def lines_with(words: Sequence[str], writing: str) -> str:
    """Return the lines of a writing in which words of a query stand; "" if one of the words stands nowhere.

    A word of letters counts as a whole, also in the plural; one of a language without spaces counts anywhere.
    """
    lines = writing.splitlines()
    holding = [{word for word in words if _stands_in(word, line)} for line in lines]
    if set().union(*holding) < set(words):
        return ""
    best = max(range(len(lines)), key=lambda index: len(holding[index]))
    if holding[best] == set(words):
        return lines[best]
    return _BETWEEN_LINES.join(line for line, found in zip(lines, holding, strict=True) if found)


def matches_by_writing(words: Sequence[str], rows: Iterable[Written]) -> Iterator[Match]:
    """Yield the rows in whose writing all words stand: first those that have them in one line."""
    found = [(row, lines) for row in rows if (lines := lines_with(words, row.writing))]
    for row, lines in sorted(found, key=lambda item: _BETWEEN_LINES in item[1]):
        yield Match(path_or_address(row.path), row.kind, row.time, 1.0, lines)


def _stands_in(word: str, line: str) -> bool:
    plain = _plain(line)
    if word.isascii() or _has_spaces(word):
        return re.search(rf"(?<!\w){re.escape(word)}(?:s|es)?(?!\w)", plain) is not None
    return word in re.sub(r"\s", "", plain)


def _has_spaces(word: str) -> bool:
    """Return whether a word is of a script that puts spaces between words."""
    return not any(unicodedata.name(letter, "").startswith(_WITHOUT_SPACES) for letter in word)


_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""How the names of characters begin in whose scripts words follow each other without a space."""


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()
