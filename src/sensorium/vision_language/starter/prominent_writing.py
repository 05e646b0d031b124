"""What of a picture's writing is worth telling: no scraps; to somebody who didn't ask for it, what is large and sure.

The numbers were chosen on the photographs and pages in ``tests/real_media.toml``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sensorium.vision_language.writing import Writing, WrittenLine

_SURE = 0.9
"""Scraps and misread lines had up to 0.87, clear ones from 0.92 on."""
_HIGH = 0.03
"""Of the picture's shorter side."""
_AS_HIGH = 0.5
"""As the highest: what is much smaller is beside the point."""
_MOST_WORDS = 8
_SCRAP = 4
"""So few characters are told only if they are sure: patterns and edges are taken for them."""
_ROWS_OF_A_PAGE, _LETTERS_OF_A_ROW = 6, 15


@dataclass(frozen=True)
class ProminentWriting:
    """What a caption tells of writing.

    Attributes:
        quote: A few words, with "…" where there is more.
        page: Whether it is running text, which the quote begins.
        confidence: How sure the reader is of the words, from 0 to 1.
    """

    quote: str
    page: bool
    confidence: float


def prominent_writing(writing: Writing) -> ProminentWriting | None:
    """Return what a caption tells of writing; None if nothing of it is worth it."""
    sure = [line for line in writing.lines if line.confidence >= _SURE]
    running = [line for line in sure if _letters(line.text) >= _LETTERS_OF_A_ROW and " " in line.text]
    if len(running) >= _ROWS_OF_A_PAGE and sum(map(_characters, running)) > sum(map(_characters, writing.lines)) / 2:
        return ProminentWriting(_cut(running[0].text), page=True, confidence=round(running[0].confidence, 2))
    shorter = min(writing.width, writing.height)
    large = [line for line in sure if height_of(line) >= _HIGH * shorter and _characters(line) > 1]
    large = list({line.text.casefold(): line for line in reversed(large)}.values())[::-1]
    large.sort(key=height_of, reverse=True)
    large = [line for line in large if height_of(line) >= _AS_HIGH * height_of(large[0])]
    told: list[WrittenLine] = []
    for line in large:
        if told and len(" ".join(part.text for part in (*told, line)).split()) > _MOST_WORDS:
            break
        told.append(line)
    text = " ".join(line.text for line in writing.lines if line in told)
    words = [word for word in text.split() if _letters(word)]
    if len(words) < 2 and _letters(text) < 4:
        return None
    quote = _cut(text) if len(told) == len(large) else f"{_cut(text).removesuffix('…').rstrip()} …"
    return ProminentWriting(quote, page=False, confidence=round(min(line.confidence for line in told), 2))


def is_legible(writing: Writing) -> bool:
    """Return whether writing is more than scraps: a character alone, and a few that aren't sure."""
    counted = [(_characters(line), line.confidence) for line in writing.lines]
    return any(number > _SCRAP or (number > 1 and confidence >= _SURE) for number, confidence in counted)


def height_of(line: WrittenLine) -> float:
    """Return how high a line's letters are, in pixels of the picture."""
    (x, y), _, _, (left, bottom) = line.box
    return math.hypot(x - left, y - bottom)


def _characters(line: WrittenLine) -> int:
    return sum(map(str.isalnum, line.text))


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _cut(text: str) -> str:
    words = text.split()
    return " ".join(words[:_MOST_WORDS]) + (" …" if len(words) > _MOST_WORDS else "")
