"""Text in the letters that a voice was taught: some families know an alphabet and no other sign."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from sensorium.errors import UnsupportedError
from sensorium.speech.speakable_text import Unspoken
from sensorium.text.english_signs import without_lone_greek
from sensorium.text.sentences import split_sentences
from sensorium.text.spoken_form import spoken_form

_VARIANTS = {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "…": "..."}
# Romanian letters with a comma, which many texts and vocabularies write with a cedilla.
_VARIANTS |= {"ș": "ş", "Ș": "ş", "ț": "ţ", "Ț": "ţ", "ş": "ș", "Ş": "ș", "ţ": "ț", "Ţ": "ț"}


def words_outside(text: str, alphabet: Collection[str], *, language: str, voice: str) -> Unspoken | None:
    """Return the words of a text with letters that a voice doesn't know.

    Args:
        text: What shall be spoken.
        alphabet: The signs that the voice knows, in small letters, in capitals or in both.
        language: Code of its language; "" where nobody knows it.
        voice: Name of the voice, for the words of an error.

    Raises:
        UnsupportedError: There are numbers or signs that nobody can write out in that language.
    """
    _require_readable_numbers(text, alphabet, language, voice)
    plain = without_lone_greek(text) if language == "en" else text
    composed = unicodedata.normalize("NFC", plain)
    words = {
        word: "".join(letter for letter in word if not letter.isdecimal() and not _fit(letter, alphabet))
        for word in re.findall(r"[\w\u0300-\u036f]+", composed)
    }
    unknown = {word: letters for word, letters in words.items() if letters}
    if not unknown:
        return None
    shown = "".join(dict.fromkeys("".join(unknown.values())))[:20]
    return Unspoken(tuple(unknown), f"holds the letters {shown!r}, which the voice {voice!r} was never taught")


def fit_to_alphabet(sentence: str, alphabet: Collection[str], *, language: str) -> str:
    """Return a sentence in letters that a voice knows.

    Args:
        sentence: Without the `words_outside`.
        alphabet: As for `words_outside`.
        language: As for `words_outside`.

    Returns:
        Numbers and signs as words, accents taken off where the voice doesn't know them; signs that nobody reads become
        spaces.
    """
    composed = unicodedata.normalize("NFC", spoken_form(sentence, language))
    return re.sub(r"[ \t]+", " ", "".join(_fit(character, alphabet) for character in composed))


def _require_readable_numbers(text: str, alphabet: Collection[str], language: str, voice: str) -> None:
    """Refuse numbers that can't be written out: nothing that is read aloud is dropped silently."""
    if language == "en" or not any(character.isdecimal() for character in text):
        return
    for sentence in split_sentences(text, language):
        if not any(character.isdecimal() for character in sentence):
            continue
        left = [sign for sign in spoken_form(sentence, language) if _is_read_aloud(sign) and not _knows(alphabet, sign)]
        if left:
            digits = any(sign.isdecimal() for sign in left)
            raise UnsupportedError(
                f"The voice {voice!r} was never taught the {'digits' if digits else 'signs'} "
                f"{''.join(dict.fromkeys(left))!r}",
                "Write numbers out as words"
                + ("" if language else "; if the text is English, say so: then they are read"),
            )


def _is_read_aloud(sign: str) -> bool:
    """Return whether a sign is said beside a number: another digit, a currency, a percent sign."""
    return sign.isdecimal() or sign in "%‰°" or unicodedata.category(sign) == "Sc"


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
