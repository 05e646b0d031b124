"""Texts in pieces that are long enough to mean something and short enough to be about one thing."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MOST_CHARACTERS = 1500
"""About a page of a paperback, 400 tokens of a European language and a thousand of Chinese."""

_PARAGRAPHS = re.compile(r"\n\s*\n")


def passages(text: str) -> Iterator[str]:
    """Yield a text in passages: as many paragraphs as fit, or as many sentences of a paragraph that doesn't fit.

    Args:
        text: Of any length.

    Yields:
        At most 1500 characters each, none of them empty.
    """
    held = ""
    for piece in _pieces(text):
        if held and len(held) + len(piece) + 1 > _MOST_CHARACTERS:
            yield held
            held = ""
        held = f"{held}\n{piece}" if held else piece
    if held:
        yield held


def _pieces(text: str) -> Iterator[str]:
    """Yield paragraphs, and what longer ones are cut into: groups of sentences, and stretches of endless ones."""
    from sensorium.text.sentences import split_sentences

    for paragraph in filter(None, map(str.strip, _PARAGRAPHS.split(text))):
        if len(paragraph) <= _MOST_CHARACTERS:
            yield paragraph
            continue
        for sentence in split_sentences(paragraph) or [paragraph]:
            yield from (
                sentence[start : start + _MOST_CHARACTERS] for start in range(0, len(sentence), _MOST_CHARACTERS)
            )
