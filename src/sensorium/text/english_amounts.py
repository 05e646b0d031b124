"""How English reads amounts of money, whichever side the currency stands on, and however large they are."""

from __future__ import annotations

import re

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_CURRENCIES = {
    "US$": ("US dollar", "US dollars"), "C$": ("Canadian dollar", "Canadian dollars"),
    "CA$": ("Canadian dollar", "Canadian dollars"), "A$": ("Australian dollar", "Australian dollars"),
    "AU$": ("Australian dollar", "Australian dollars"), "NZ$": ("New Zealand dollar", "New Zealand dollars"),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars"), "S$": ("Singapore dollar", "Singapore dollars"),
    "R$": ("real", "reais"), "$": ("dollar", "dollars"), "€": ("euro", "euros"), "£": ("pound", "pounds"),
    "¥": ("yen", "yen"), "₹": ("rupee", "rupees"), "₩": ("won", "won"), "₽": ("rouble", "roubles"),
    "₺": ("lira", "lira"), "₫": ("dong", "dong"), "฿": ("baht", "baht"), "₴": ("hryvnia", "hryvnias"),
    "₪": ("shekel", "shekels"), "₿": ("bitcoin", "bitcoins"), "₦": ("naira", "naira"), "₱": ("peso", "pesos"),
    "USD": ("US dollar", "US dollars"), "EUR": ("euro", "euros"), "GBP": ("pound", "pounds"), "JPY": ("yen", "yen"),
    "CHF": ("Swiss franc", "Swiss francs"), "CAD": ("Canadian dollar", "Canadian dollars"),
    "AUD": ("Australian dollar", "Australian dollars"), "CNY": ("yuan", "yuan"), "RMB": ("yuan", "yuan"),
    "INR": ("rupee", "rupees"), "SEK": ("Swedish krona", "Swedish kronor"),
    "NOK": ("Norwegian krone", "Norwegian kroner"), "DKK": ("Danish krone", "Danish kroner"), "PLN": ("zloty", "zloty"),
}  # fmt: skip
_SMALL = {"dollar": ("cent", "cents"), "euro": ("cent", "cents"), "pound": ("penny", "pence")}
_SIZES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "mln": "million",
    "mio": "million", "Mio": "million", "MM": "million", "b": "billion", "B": "billion", "bn": "billion",
    "Bn": "billion", "bln": "billion", "tn": "trillion", "T": "trillion", "trn": "trillion",
}  # fmt: skip
_WORDS = "hundred|thousand|million|billion|trillion"
_SIGN = "|".join(re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True))
_SIZE = f"(?:{'|'.join(sorted(_SIZES, key=len, reverse=True))})(?![A-Za-z])|{_WORDS}"
_PER = "second|minute|hour|day|night|week|month|quarter|year|person|head|pound|mile|kg|hr|mo|yr"

_RANGE = re.compile(
    rf"(?<![\w.])({_SIGN})\s?({_NUMBER})\s?({_SIZE})?\s?[–-]\s?(?:\1\s?)?({_NUMBER})(?:\s?({_SIZE}))?(?![\w.]*\d)"
)
_BEFORE = re.compile(rf"(?<![A-Za-z.\d])([-−]?)({_SIGN})\s?([-−]?)({_NUMBER})(?:\s?({_SIZE}))?(?![\d])")
_AFTER = re.compile(rf"(?<![\w.])([-−]?)({_NUMBER})\s?({_SIZE})?\s?({_SIGN})(?![\w])")
_CENTS = re.compile(rf"(?<![\w.])({_NUMBER})\s?¢")
_PENCE = re.compile(r"(?<![\w.])(\d{1,2})p(?!\w)")
_PER_UNIT = re.compile(rf"/(?=(?:{_PER})\b)")
_PEOPLE = "people|users|copies|jobs|votes|views|customers|homes|children|followers|subscribers|downloads|barrels|tonnes"
_COUNTED = re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?)\s?(m|k|b)(?= (?:{_PEOPLE})\b)")
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,])(\d{1,3}(?:\.\d{3})+|\d+),(\d{2})(?!\d)(?=\s?(?:€|EUR|CHF|kr|zł))"
    r"|(?<=[€])\s?(\d{1,3}(?:\.\d{3})+|\d+),(\d{2})(?!\d)"
)
_SIZED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?(bn|mn|tn|mln|bln)\b")


def say_amounts(text: str) -> str:
    """Say the amounts of money in an English sentence, with the currency after the number as it is spoken.

    Args:
        text: An English sentence, or a part of one.
    """
    text = _DECIMAL_COMMA.sub(_decimal_point, text)
    text = _RANGE.sub(_range, text)
    text = _BEFORE.sub(lambda found: _amount(found[1] or found[3], found[4], found[5], found[2]), text)
    text = _AFTER.sub(lambda found: _amount(found[1], found[2], found[3], found[4]), text)
    text = _CENTS.sub(lambda found: f"{found[1]} {'cent' if found[1] == '1' else 'cents'}", text)
    text = _PENCE.sub(lambda found: f"{found[1]} {'penny' if found[1] == '1' else 'pence'}", text)
    text = _COUNTED.sub(lambda found: f"{found[1]} {_SIZES[found[2]]}", text)
    text = _SIZED.sub(lambda found: f"{found[1]} {_SIZES[found[2]]}", text)
    return re.sub(rf"((?:{_names()})(?: and \d+ \w+)?){_PER_UNIT.pattern}", r"\1 per ", text)


def _names() -> str:
    return "|".join(
        sorted({name for names in (*_CURRENCIES.values(), *_SMALL.values()) for name in names}, reverse=True)
    )


def _amount(minus: str, number: str, size: str | None, sign: str) -> str:
    one, many = _CURRENCIES[sign]
    said = "minus " if minus else ""
    if size:
        return f"{said}{number} {_SIZES.get(size, size)} {many}"
    whole, _, decimals = number.partition(".")
    small = _SMALL.get(one.split()[-1])
    if small is None or len(decimals) != 2:
        return f"{said}{number} {one if number == '1' else many}"
    cents = int(decimals)
    parts = [f"{whole} {one if whole == '1' else many}"] if int(whole.replace(",", "")) or not cents else []
    parts += [f"{cents} {small[cents > 1]}"] if cents else []
    return said + " and ".join(parts)


def _decimal_point(found: re.Match[str]) -> str:
    """Write an amount of the Continent as English does: 1.000,50 is 1000.50."""
    return f"{(found[1] or found[3]).replace('.', '')}.{found[2] or found[4]}"


def _range(found: re.Match[str]) -> str:
    sign, low, low_size, high, high_size = found.groups()
    many = _CURRENCIES[sign][1]
    sizes = [f" {_SIZES.get(size, size)}" if size else "" for size in (low_size, high_size)]
    return f"{low}{sizes[0]} to {high}{sizes[1]} {many}"
