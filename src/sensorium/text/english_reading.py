"""How English reads what is not written in words, where the package spokenform reads it wrongly or not at all."""

from __future__ import annotations

import re
from decimal import Decimal

from sensorium.text.english_abbreviations import say_abbreviations
from sensorium.text.english_amounts import say_amounts
from sensorium.text.english_codes import digit_by_digit, say_codes
from sensorium.text.english_measures import say_measures
from sensorium.text.english_roman import say_roman_numerals
from sensorium.text.english_signs import plain_signs, say_greek_letters, say_signs

_ROUND = re.compile(r"(?<![\w.,:/$€£-])[1-9]000()(?![\w%°]|[.,:/]\d)")
"""The package says "ten hundred"."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?(ers\b|ish\b)?")
_LONGEST_NUMBER = 15
"""Digits; nobody reads a longer number as one."""


def before_spoken(text: str) -> str:
    """Say in words, or write in a plainer way, what the package would read wrongly.

    Args:
        text: An English sentence, or a part of one.
    """
    text = say_codes(plain_signs(text))
    for say in (say_abbreviations, say_measures, say_greek_letters, say_roman_numerals, say_amounts, say_signs):
        text = _tidied(say(text))
    return _tidied(_ROUND.sub(_in_words, text))


def in_english_words(text: str) -> str:
    """Write out the numbers that the package has left as they are."""
    return _tidied(_NUMBER.sub(_in_words, text))


def _in_words(found: re.Match[str]) -> str:
    from spokenform.number_words import cardinal, decimal

    ending = found[1] or " "
    digits = found.group().removesuffix(ending)
    if "." in digits:
        return f" {decimal(Decimal(digits), 'en')}{ending}"
    if (len(digits) > 1 and digits.startswith("0")) or len(digits) > _LONGEST_NUMBER:
        return f" {digit_by_digit(digits)}{ending}"
    return f" {cardinal(int(digits), 'en').replace(',', '')}{ending}"


def _tidied(text: str) -> str:
    return re.sub(r" +([.,;:!?)\]”’])", r"\1", re.sub(r" {2,}", " ", text))
