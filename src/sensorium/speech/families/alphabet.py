"""Text in the letters that a voice was taught: some families know an alphabet and no other sign."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from sensorium.errors import UnsupportedError
from sensorium.text.english_numbers import spell_english_numbers

_VARIANTS = {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "…": "..."}
# Romanian letters with a comma, which many texts and vocabularies write with a cedilla.
_VARIANTS |= {"ș": "ş", "Ș": "ş", "ț": "ţ", "Ț": "ţ", "ş": "ș", "Ş": "ș", "ţ": "ț", "Ţ": "ț"}


def fit_to_alphabet(text: str, alphabet: Collection[str], *, language: str, voice: str) -> str:
    """Return a text in letters that a voice knows. Nothing that is read aloud is dropped silently.

    Args:
        text: What shall be spoken.
        alphabet: The signs that the voice knows, in small letters, in capitals or in both.
        language: Code of its language; in English numbers are written out.
        voice: Name of the voice, for the words of an error.

    Returns:
        The text with accents taken off where the voice doesn't know them; signs that nobody reads become spaces.

    Raises:
        UnsupportedError: There are letters or digits that the voice doesn't know.
    """
    if language == "en":
        text = spell_english_numbers(text)
    composed = unicodedata.normalize("NFC", text)
    fitted = [_fit(character, alphabet) for character in composed]
    unknown = [character for character, known in zip(composed, fitted, strict=True) if not known]
    if unknown:
        shown = "".join(dict.fromkeys(unknown))[:20]
        digits = all(character.isdecimal() for character in unknown)
        raise UnsupportedError(
            f"The voice {voice!r} was never taught the {'digits' if digits else 'letters'} {shown!r}",
            "Write numbers out as words" + ("" if language else "; if the text is English, say so: then they are read")
            if digits
            else "Write the text in the voice's language, or choose the voice of another: "
            "'sensorium models list --task text-to-speech' shows those there are",
        )
    return re.sub(r"[ \t]+", " ", "".join(fitted))


def _fit(character: str, alphabet: Collection[str]) -> str:
    """Return what stands for a character; "" where nothing does."""
    if _knows(alphabet, character) or character.isspace():
        return character
    replaced = _VARIANTS.get(character, character)
    if all(_knows(alphabet, part) for part in replaced):
        return replaced
    if not (character.isalnum() or unicodedata.category(character).startswith("M")):
        # Sentences are cut at these even where the voice itself doesn't know them.
        return character if character in ".!?,;:…。！？" else " "
    parts = unicodedata.normalize("NFKD", character.casefold())
    known = "".join(part for part in parts if _knows(alphabet, part))
    letters = [part for part in parts if part.isalnum()]
    return known if known and all(_knows(alphabet, letter) for letter in letters) else ""


def _knows(alphabet: Collection[str], character: str) -> bool:
    return character in alphabet or character.lower() in alphabet or character.upper() in alphabet
