"""How English reads fractions, feet and inches, angles, powers and what is measured in millionths."""

from __future__ import annotations

import re

_FRACTIONS = {
    "½": "a half", "⅓": "a third", "⅔": "two thirds", "¼": "a quarter", "¾": "three quarters", "⅕": "a fifth",
    "⅖": "two fifths", "⅗": "three fifths", "⅘": "four fifths", "⅙": "a sixth", "⅚": "five sixths", "⅛": "an eighth",
    "⅜": "three eighths", "⅝": "five eighths", "⅞": "seven eighths",
}  # fmt: skip
_SIGNS = "".join(_FRACTIONS)
_DENOMINATORS = frozenset((2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 32, 64, 100))
_SAID_BOTH = frozenset({(24, 7), (9, 11), (7, 7), (60, 40), (80, 20), (70, 30)})
"""What looks like a fraction and is two numbers."""
_MICRO_UNITS = {
    "m": "meters", "s": "seconds", "g": "grams", "l": "liters", "L": "liters", "A": "amperes", "F": "farads",
}  # fmt: skip
_LARGE = {"k": "kilo", "M": "mega", "": ""}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_DIRECTIONS = {"N": " north", "S": " south", "E": " east", "W": " west", None: ""}

_SQUARES = {
    "m": "meters", "cm": "centimeters", "mm": "millimeters", "km": "kilometers", "ft": "feet", "in": "inches",
    "yd": "yards", "mi": "miles",
}  # fmt: skip
_AMOUNTS = {
    "mg": "milligrams", "g": "grams", "kg": "kilograms", "mcg": "micrograms", "ml": "milliliters", "l": "liters",
    "kWh": "kilowatt hours", "MB": "megabytes", "GB": "gigabytes", "kB": "kilobytes", "t": "tonnes",
}  # fmt: skip
_FOR_EACH = {
    "kg": "kilogram", "g": "gram", "l": "liter", "ml": "milliliter", "h": "hour", "hr": "hour", "s": "second",
    "min": "minute", "d": "day", "day": "day", "week": "week", "m²": "square meter", "m³": "cubic meter",
    "km": "kilometer", "ha": "hectare", "cm²": "square centimeter",
}  # fmt: skip

_SQUARE = re.compile(rf"(\d)\s?({'|'.join(_SQUARES)})([²³])(?!\w)")
_FOR = re.compile(rf"(?<=\d)\s?({'|'.join(_AMOUNTS)})/({'|'.join(sorted(_FOR_EACH, key=len, reverse=True))})(?!\w)")
_MICRO = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?[µμ]([msglLAF])\b")
_OHMS = re.compile(r"(\d)\s?([kM]?)[\u2126\u03a9](?!\w)")
_ANGLE = re.compile(r"(\d+)\s?°\s?(\d{1,2})\s?['′’](?:\s?(\d{1,2}(?:\.\d+)?)\s?[\"″”])?(?:\s?([NSEW])\b)?")
_FEET_AND_INCHES = re.compile(
    rf"(?<![\w'‘\"“.,])(\d{{1,2}})\s?['′’]\s?(\d{{1,2}}(?:\s?[{_SIGNS}])?)\s?(?:[\"″”]|''|(?![\w\"″”']))"
)
_FEET = re.compile(r"(?<![\w'‘\"“.,])(\d+)\s?[′'](?=\s(?:x|×|by|tall|long|wide|high|deep|away)\b)")
_INCHES = re.compile(rf"(?<![\w'‘“.,/])((?:\d+ )?\d+(?:[./]\d+)?[{_SIGNS}]?)[\"″”](?!\w)")
_FRACTION_SIGN = re.compile(rf"(\d+)?\s?([{_SIGNS}])")
_FRACTION = re.compile(r"(?<![\d.,/])(?:(\d+) )?(\d{1,3})/(\d{1,3})(?![\d/])")
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([+\-−]?\d{1,3})\b")
_POWER = re.compile(r"(\d|(?<!\d)\b[a-z]|\))([⁰¹²³⁴-⁹⁻⁺]+)(?!\w)|(?<=\d)\^(-?\d+)")


def say_measures(text: str) -> str:
    """Say what an English sentence measures in signs.

    Args:
        text: An English sentence, or a part of one.
    """
    text = _MICRO.sub(lambda found: f"{found[1]} micro{_MICRO_UNITS[found[2]]}", text)
    text = _OHMS.sub(lambda found: f"{found[1]} {_LARGE[found[2]]}ohms", text)
    text = _FOR.sub(lambda found: f" {_AMOUNTS[found[1]]} per {_FOR_EACH[found[2]]}", text)
    text = _SQUARE.sub(_square, text)
    text = _ANGLE.sub(_angle, text)
    text = _FEET_AND_INCHES.sub(r"\1 foot \2", text)
    text = _FEET.sub(r"\1 feet", text)
    text = _INCHES.sub(_inches, text)
    text = _FRACTION_SIGN.sub(_fraction_sign, text)
    text = _FRACTION.sub(_fraction, text)
    text = _SCIENTIFIC.sub(lambda found: f"{found[1]} times 10 {_power(found[2])}", text)
    return _POWER.sub(lambda found: f"{found[1] or ''} {_power(found[2] or found[3])} ", text)


def _square(found: re.Match[str]) -> str:
    return f"{found[1]} {'square' if found[3] == '²' else 'cubic'} {_SQUARES[found[2]]}"


def _angle(found: re.Match[str]) -> str:
    seconds = f" {found[3]} seconds" if found[3] else ""
    return f"{found[1]} degrees {found[2]} minutes{seconds}{_DIRECTIONS[found[4]]}"


def _inches(found: re.Match[str]) -> str:
    """Read 27" as inches, unless the sign closes a quotation."""
    opened = found.string.count('"', 0, found.start()) % 2
    return found.group() if opened else f"{found[1]} inches"


def _fraction_sign(found: re.Match[str]) -> str:
    said = _FRACTIONS[found[2]]
    return f"{found[1]} and {said} " if found[1] else f" {re.sub('^an? ', 'one ', said)} "


def _fraction(found: re.Match[str]) -> str:
    """Read a/b as a fraction, as two numbers, or with the stroke."""
    whole, above, below = found[1], int(found[2]), int(found[3])
    if above < below and below in _DENOMINATORS:
        return f"{whole} and {_parts(above, below, 'a')}" if whole else _parts(above, below, "one")
    if whole:
        return found.group()
    both = above == below or (above, below) in _SAID_BOTH
    return f"{above} {below}" if both else f"{found[2]} slash {found[3]}"


def _parts(above: int, below: int, one: str) -> str:
    from spokenform.number_words import cardinal, ordinal

    name = {2: "half", 4: "quarter"}.get(below) or ordinal(below, "en")
    if above == 1:
        return f"{'an' if one == 'a' and name == 'eighth' else one} {name}"
    return f"{cardinal(above, 'en')} {name}s"


def _power(exponent: str) -> str:
    plain = exponent.translate(_SUPERSCRIPTS).replace("−", "-").lstrip("+")
    return {"2": "squared", "3": "cubed"}.get(plain) or f"to the power of {plain.replace('-', 'minus ')}"
