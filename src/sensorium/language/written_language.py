"""Whether a checkpoint can read the script that a text is written in."""

from __future__ import annotations

import unicodedata

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint

_SCRIPTS = {
    "CJK": "Chinese characters",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Devanagari",
    "THAI": "Thai",
    "GREEK": "Greek",
}


def require_language(text: str, checkpoint: Checkpoint, *, what: str) -> None:
    """Refuse a text that an English-only checkpoint would answer with nonsense.

    Only scripts are told apart: French or Spanish pass, because a Latin letter tells nothing.

    Args:
        text: What the user wrote.
        checkpoint: Who shall read it.
        what: What the text is, for the message: "question", "prompt".

    Raises:
        UnsupportedError: Most letters are of another script, and the checkpoint knows only English.
    """
    if checkpoint.languages != ("en",):
        return
    names = [unicodedata.name(letter, "").split()[0:1] for letter in text if letter.isalpha()]
    foreign = [name[0] for name in names if name and name[0] not in {"LATIN", "FULLWIDTH", "MICRO"}]
    if 2 * len(foreign) > len(names):
        script = max(set(foreign), key=foreign.count)
        raise UnsupportedError(
            f"The {what} is written in {_SCRIPTS.get(script, script.capitalize())}, "
            f"and {checkpoint.name!r} knows only English",
            "Ask in English, or choose a multilingual checkpoint with model=…",
        )
