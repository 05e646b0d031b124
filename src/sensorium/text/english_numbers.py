"""English numbers written out as words, for voices that were taught letters only."""

from __future__ import annotations

import re

_UNDER_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen"""
_ONES = _UNDER_TWENTY.split()
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_THOUSANDS = ("", " thousand", " million", " billion", " trillion")
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}
_CURRENCIES = {"$": ("dollar", "dollars"), "€": ("euro", "euros"), "£": ("pound", "pounds"), "¥": ("yen", "yen")}
_NUMBER = re.compile(
    r"(?P<minus>(?<![\w.])[-−])?(?P<currency>[$€£¥])?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)"
    r"(?:\.(?P<decimals>\d+))?(?P<percent>\s?%)?(?P<ordinal>(?:st|nd|rd|th)\b)?"
)


def spell_english_numbers(text: str) -> str:
    """Write out the numbers of a text: "$3.50 on the 2nd" becomes "three dollars fifty on the second"."""
    spelled = _NUMBER.sub(lambda found: f" {_words(found)} ", text.replace("&", " and "))
    return re.sub(r" +([.,;:!?)]|$)", r"\1", re.sub(r" {2,}", " ", spelled)).strip(" ")


def _words(found: re.Match[str]) -> str:
    digits = found["whole"]
    number = int(digits.replace(",", ""))
    if (len(digits) > 1 and digits.startswith("0")) or number >= 10**15:
        words = " ".join(_ONES[int(digit)] for digit in digits if digit.isdigit())
    elif _reads_as_year(digits, number) and not (found["currency"] or found["decimals"] or found["percent"]):
        words = _year(number)
    else:
        words = _cardinal(number)
    if found["currency"]:
        words = _amount(words, number, found["currency"], found["decimals"])
    elif found["decimals"]:
        words += " point " + " ".join(_ONES[int(digit)] for digit in found["decimals"])
    if found["ordinal"]:
        words = _ordinal(words)
    return ("minus " if found["minus"] else "") + words + (" percent" if found["percent"] else "")


def _cardinal(number: int) -> str:
    if number < 1000:
        return _below_thousand(number)
    groups = []
    for name in _THOUSANDS:
        number, group = divmod(number, 1000)
        if group:
            groups.append(_below_thousand(group) + name)
    return " ".join(reversed(groups))


def _below_thousand(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f" {_ONES[number % 10]}" if number % 10 else "")
    rest = f" and {_below_thousand(number % 100)}" if number % 100 else ""
    return f"{_ONES[number // 100]} hundred{rest}"


def _reads_as_year(digits: str, number: int) -> bool:
    return len(digits) == 4 and (1100 <= number < 2000 or 2010 <= number < 2100)


def _year(number: int) -> str:
    century, rest = divmod(number, 100)
    if not rest:
        return f"{_below_thousand(century)} hundred"
    return f"{_below_thousand(century)} {'oh ' if rest < 10 else ''}{_below_thousand(rest)}"


def _amount(words: str, number: int, sign: str, decimals: str | None) -> str:
    one, many = _CURRENCIES[sign]
    words = f"{words} {one if number == 1 and not decimals else many}"
    cents = int(decimals.ljust(2, "0")[:2]) if decimals else 0
    return f"{words} {_below_thousand(cents)}" if cents else words


def _ordinal(words: str) -> str:
    head, space, last = words.rpartition(" ")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ieth"
    else:
        last = f"{last}th"
    return head + space + last
