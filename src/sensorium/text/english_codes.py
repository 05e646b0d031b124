"""How English reads what is said sign by sign: telephone numbers, PINs and codes, addresses of pages and of mail."""

from __future__ import annotations

import re

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_SIGNS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "?": "question mark", "=": "equals", "&": "and",
    "#": "hash", "%": "percent", "~": "tilde", ":": "colon", "+": "plus", "@": "at", ",": "comma", ";": "semicolon",
}  # fmt: skip
_MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_PAGE = re.compile(r"\b(?:https?://|ftp://|www\.)[^\s<>\"“”]+[\w/]", re.IGNORECASE)
_HOST = re.compile(
    r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|ai|app|dev|info|co\.uk|uk|de|fr|eu|ch|at|nl|es|it|jp|cn|ru|ca|au|tv)"
    r"\b(?:/[^\s<>\"“”]*[\w/])?",
    re.IGNORECASE,
)
_FILE = re.compile(r"(?<=[A-Za-z0-9]{2})\.(?=[a-z]{2,5}\b(?!\.\w))")
_NETWORK_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")

_VERSION = re.compile(r"(?<![\w.])[vV]?(?!\d{1,2}\.\d{1,2}\.\d{4}\b)(\d+(?:\.\d+){2,})(?:-([a-z]+))?(?![\w]|\.\d)")
_POSTCODE = re.compile(r"(?<=\b[A-Z]{2} )\d{5}(?:-\d{4})?(?![\w]|[.,]\d)")

_GROUP = r"[\s.\-/]?\(?\d+\)?"
_ABROAD = re.compile(rf"(?<![\w+])\+\d{{1,3}}(?:{_GROUP}){{1,6}}(?![\w]|[.,-]\d)")
_AT_HOME = re.compile(r"(?<![\w.,:/+-])\(?0\d{1,4}\)?(?:[\s/-]\d{2,8}){1,4}(?![\w]|[.,:/-]\d)")
_AMERICAN = re.compile(
    r"(?<![\w.,:/+-])(?:1[\s.-])?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[.\s-]\d{4}(?![\w]|[.,:/-]\d)"
    r"|(?<![\w.,:/+-])\d{3}-\d{4}(?![\w]|[.,:/-]\d)"
)
_SECRET = re.compile(
    r"(?i:\b(PINs?|pass ?code|code|OTP|CVV|CVC|password|extension|postcode|zip code|ZIP)( is| was|:| =|)) (\d{3,8})\b"
)
_LEADING_ZERO = re.compile(r"(?<![\w.,:/-])0\d+(?![\w]|[.,:/-]\d)")


def say_codes(text: str) -> str:
    """Say in words what an English sentence holds of numbers and names that are said sign by sign.

    Args:
        text: An English sentence, or a part of one.
    """
    text = _MAIL.sub(lambda found: _address(found.group()), text)
    text = _PAGE.sub(lambda found: _address(re.sub(r"^\w+://", "", found.group())), text)
    text = _HOST.sub(lambda found: _address(found.group()), text)
    text = _NETWORK_ADDRESS.sub(lambda found: " dot ".join(map(digit_by_digit, found.group().split("."))), text)
    text = _VERSION.sub(_version, text)
    text = _POSTCODE.sub(lambda found: digit_by_digit(found.group()), text)
    text = _FILE.sub(" dot ", text)
    for pattern in (_ABROAD, _AT_HOME, _AMERICAN):
        text = pattern.sub(_telephone, text)
    text = _SECRET.sub(lambda found: f"{found[1]}{found[2]} {digit_by_digit(found[3])}", text)
    return _LEADING_ZERO.sub(lambda found: digit_by_digit(found.group()), text)


def digit_by_digit(digits: str) -> str:
    """Return digits as words, one by one."""
    return " ".join(_DIGITS[int(digit)] for digit in digits if digit.isdecimal())


def _version(found: re.Match[str]) -> str:
    return " dot ".join(found[1].split(".")) + (f" {found[2]}" if found[2] else "")


def _telephone(found: re.Match[str]) -> str:
    """Read a telephone number group by group; what has too few or too many digits for one stays."""
    text = found.group()
    groups = re.findall(r"\d+", text)
    if not 7 <= len("".join(groups)) <= 15:
        return text
    return ("plus " if text.startswith("+") else "") + ", ".join(map(digit_by_digit, groups))


def _address(text: str) -> str:
    """Read an address word by word and sign by sign; "www" is three letters."""
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+|.", text):
        if part.lower() == "www":
            said.append("w w w")
        elif part.isdecimal() and (len(part) > 4 or part.startswith("0")):
            said.append(digit_by_digit(part))
        else:
            said.append(_SIGNS.get(part, part))
    return " ".join(said)
