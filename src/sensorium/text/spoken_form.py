"""Sentences as they are read aloud: numbers, dates, amounts, units and abbreviations as words (package spokenform).

Of what reads text so, spokenform alone is pure Python, knows some sixty languages, and may go with an Apache-licensed
program: num2words is LGPL and knows bare numbers only, the grammars of NeMo and WeTextProcessing need compiled
libraries of tens of megabytes, or lose minus signs and amounts. Where it reads English wrongly, `english_reading` says
first what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from sensorium.text.english_abbreviations import SHORT_WORDS
from sensorium.text.english_reading import before_spoken, in_english_words

_PRONOUNCED = re.compile(r"(\[[^\]\n]*\]\(/[^)\n]*/\))")
"""A word with its phonemes, which nobody may touch."""
_READ_OTHERWISE = re.compile(
    r"\d|[Ͱ-Ͽ]|[^\w\s.,;:!?'’‘\"“”«»…()\[\]—–-]|_|\w–\w|\.\s*[^\s.'’\"”)\]]|\b[IVXLCDM]+\b|\b(?:Mrs?|Ms|Dr)\b"
)
"""What may be read otherwise than its letters say."""
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:([\u2009\u202f\u00a0’'])\d{3})(?:\1\d{3})*(?![\d])")
_SPACED_THOUSANDS = re.compile(r"(?<![\d+] )(?<![\d.,+])[1-9]\d{0,2}(?: \d{3})+(?! ?\d)")
_GROUPED_WITH_COMMAS = frozenset({"zh", "ja", "ko", "th", "he", "hi", "bn", "ta", "te", "ur", "sw", "ms", "fil"})
_COMMA_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_LONGEST_AT_ONCE = 160
_CUTS = (re.compile(r"[,;:—]\s+(?=[^\W\d])"), re.compile(r"[^\W\d] (?=[^\W\d])"), re.compile(r"\s"))
"""Where a text may be cut, best first: never in the middle of a date or an amount, if it can be helped."""
_CLOSING = "\"'”’»›)]} "
_PLAIN_NUMBER = re.compile(r"(?<![\d.,:/\-])\d{1,15}(?![\d]|[.,:/\-]\d|[%‰°])")


def reads_numbers(language: str) -> bool:
    """Return whether the numbers of a language can be written out.

    Args:
        language: A code, also such as has three letters.
    """
    from spokenform import language_has_plain_number_backend, supports_language

    return bool(supports_language(language) and language_has_plain_number_backend(language))


def spoken_form(sentence: str, language: str) -> str:
    """Return a sentence as it is read aloud.

    Args:
        sentence: One sentence, also with ``[word](/phonemes/)``.
        language: Its code. In a language that the package doesn't know, the sentence stays as it is.

    Returns:
        The sentence in words; what is read as it is written stays so.
    """
    parts = _PRONOUNCED.split(sentence)
    spoken = "".join(part if number % 2 else _spoken(part, language) for number, part in enumerate(parts)).strip()
    last = sentence.rstrip(_CLOSING)[-1:]
    # The package takes the period of an abbreviation at the end of a sentence with it.
    return spoken + last if last in ".!?" and spoken.rstrip(_CLOSING)[-1:] not in ".!?" else spoken


def number_in_words(number: int, language: str = "en") -> str:
    """Return a number as words: 21 is "twenty-one"."""
    from spokenform.number_words import cardinal

    return cardinal(number, language).replace(",", "")


def _spoken(text: str, language: str) -> str:
    short = language == "en" and SHORT_WORDS.search(text)
    if not (short or _READ_OTHERWISE.search(text)) or not reads_numbers(language):
        return text
    text = _with_plain_thousands(text, language)
    if language == "en":
        text = before_spoken(text)
    text = _prepared(text, language)
    if language == "en":
        return in_english_words(text)
    return _PLAIN_NUMBER.sub(lambda found: _number(found.group(), language), text)


def _prepared(text: str, language: str) -> str:
    """Return what the package makes of a text, with the space around it."""
    return "".join(_prepared_piece(piece, language) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """Cut a text that the package would take ages for, since it compares what it reads with what it makes of it."""
    while len(text) > _LONGEST_AT_ONCE:
        head = text[:_LONGEST_AT_ONCE]
        cuts = (max((found.end() for found in place.finditer(head)), default=0) for place in _CUTS)
        cut = next((cut for cut in cuts if cut > _LONGEST_AT_ONCE // 3), _LONGEST_AT_ONCE)
        yield text[:cut]
        text = text[cut:]
    yield text


def _prepared_piece(text: str, language: str) -> str:
    from spokenform import prepare

    bare = text.strip()
    if not bare:
        return text
    start = text.index(bare)
    spoken = prepare(bare, config=_configuration(language)).spoken_text
    return text[:start] + spoken + text[start + len(bare) :]


@cache
def _configuration(language: str) -> Any:
    from spokenform import PreparationConfig, RecognitionDomain

    # These take "$2.3M" for an amount of substance, "docs/a-b" for a difference and "F-16" for a bond.
    guessing = {
        RecognitionDomain.MATH,
        RecognitionDomain.MUSIC,
        RecognitionDomain.BIOLOGY,
        RecognitionDomain.CHEMISTRY,
        RecognitionDomain.NETWORK,
    }
    disabled = guessing if language == "en" else guessing - {RecognitionDomain.MATH}
    return PreparationConfig(language=language, use_spacy=False, disabled_domains=disabled)


def _with_plain_thousands(text: str, language: str) -> str:
    """Write the thousands of numbers in a way that the package knows, of the many that there are."""
    sign = "," if language == "en" else ""
    text = _THOUSANDS.sub(lambda found: re.sub(r"\D", sign, found.group()), text)
    text = _SPACED_THOUSANDS.sub(lambda found: found.group().replace(" ", sign), text)
    if language in _GROUPED_WITH_COMMAS:
        text = _COMMA_THOUSANDS.sub(lambda found: found.group().replace(",", ""), text)
    return text


def _number(digits: str, language: str) -> str:
    """Return a number as words with space around it; digit by digit where it begins with a zero, as a code does."""
    if len(digits) > 1 and digits.startswith("0"):
        return " " + " ".join(number_in_words(int(digit), language) for digit in digits) + " "
    return f" {number_in_words(int(digits), language)} "
