"""Text in the letters that a voice was taught: some families know an alphabet and no other sign."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from itertools import islice

from sensorium.errors import UnsupportedError
from sensorium.speech.speakable_text import Unspoken, cut_long_sentence
from sensorium.text.english_signs import without_lone_greek
from sensorium.text.sentences import split_sentences
from sensorium.text.spoken_form import spoken_form

_EXAMINED = 50
"""So many sentences with numbers are tried before the first is spoken: writing them out takes a hundredth of a second
each."""
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


def fit_to_alphabet(sentence: str, alphabet: Collection[str], *, language: str, voice: str) -> str:
    """Return a sentence in letters that a voice knows.

    Args:
        sentence: Without the `words_outside`.
        alphabet: As for `words_outside`.
        language: As for `words_outside`.
        voice: As for `words_outside`.

    Returns:
        Numbers and signs as words, accents taken off where the voice doesn't know them; signs that nobody reads become
        spaces.

    Raises:
        UnsupportedError: As for `words_outside`, which doesn't look at all of a long text.
    """
    composed = unicodedata.normalize("NFC", spoken_form(sentence, language))
    if language != "en" and _holds_digit(sentence):
        left = [sign for sign in composed if _is_read_aloud(sign) and not _knows(alphabet, sign)]
        if left:
            raise _unread(left, language, voice)
    return re.sub(r"[ \t]+", " ", "".join(_fit(character, alphabet) for character in composed))


def _require_readable_numbers(text: str, alphabet: Collection[str], language: str, voice: str) -> None:
    """Refuse numbers that can't be written out before anything is spoken: what is read aloud is never dropped."""
    if language == "en" or not _holds_digit(text):
        return
    pieces = (piece for sentence in split_sentences(text, language) for piece in cut_long_sentence(sentence))
    for piece in islice(filter(_holds_digit, pieces), _EXAMINED):
        fit_to_alphabet(piece, alphabet, language=language, voice=voice)


def _unread(signs: list[str], language: str, voice: str) -> UnsupportedError:
    kind = "digits" if any(map(str.isdecimal, signs)) else "signs"
    say_so = "" if language else "; if the text is English, say so: then they are read"
    return UnsupportedError(
        f"The voice {voice!r} was never taught the {kind} {''.join(dict.fromkeys(signs))!r}",
        f"Write numbers out as words{say_so}",
    )


def _holds_digit(text: str) -> bool:
    return any(map(str.isdecimal, text))


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
