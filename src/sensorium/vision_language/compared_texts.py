"""Texts and labels that images are compared with: what can be seen to be wrong with them before a checkpoint loads."""

from __future__ import annotations

from collections.abc import Sequence

from sensorium.errors import InputError
from sensorium.language.written_language import require_characters


def read_texts(texts: str | Sequence[str]) -> list[str]:
    """Return a list of texts, whether one or several were given.

    Raises:
        InputError: There is none, or one of them is empty or no valid Unicode.
    """
    found = [texts] if isinstance(texts, str) else list(texts)
    if not found:
        raise InputError("There is no text to compare the image with", "Give at least one label or sentence")
    for text in found:
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{text!r} is not a text to compare an image with", "Give labels or sentences")
        require_characters(text, what="text to compare an image with")
    return found


def read_labels(labels: str | Sequence[str]) -> list[str]:
    """Return labels without the spaces around them, each once.

    Raises:
        InputError: As for `read_texts`.
    """
    return list(dict.fromkeys(label.strip() for label in read_texts(labels)))
