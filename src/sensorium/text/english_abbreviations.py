"""What English abbreviations stand for, where a period that is no full stop would end the sentence or be misread."""

from __future__ import annotations

import re

_TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "Gen": "General",
    "Gov": "Governor", "Sen": "Senator", "Rep": "Representative", "Capt": "Captain", "Lt": "Lieutenant",
    "Col": "Colonel", "Sgt": "Sergeant", "Rev": "Reverend", "Hon": "Honorable",
}  # fmt: skip
_BEFORE_NUMBERS = {
    "no": "number", "nos": "numbers", "nr": "number", "p": "page", "pp": "pages", "fig": "figure", "figs": "figures",
    "vol": "volume", "vols": "volumes", "ch": "chapter", "chap": "chapter", "sec": "section", "sect": "section",
    "art": "article", "para": "paragraph", "eq": "equation", "tab": "table", "pt": "part", "l": "line", "ll": "lines",
    "ca": "circa", "c": "circa", "approx": "approximately", "est": "estimated", "max": "maximum", "min": "minimum",
    "avg": "average", "tel": "telephone", "ext": "extension", "apt": "apartment", "rm": "room", "bldg": "building",
    "b": "born", "d": "died", "v": "verse",
}  # fmt: skip
_ANYWHERE = {
    "approx": "approximately", "ca": "circa", "vs": "versus", "cf": "compare", "viz": "namely", "etc": "et cetera",
    "incl": "including", "excl": "excluding", "temp": "temperature", "Inc": "Incorporated", "Ltd": "Limited",
    "Corp": "Corporation", "Co": "Company", "Bros": "Brothers", "Jr": "Junior", "Sr": "Senior", "Dept": "Department",
    "dept": "department", "Univ": "University", "Assn": "Association", "Ave": "Avenue", "Blvd": "Boulevard",
    "Rd": "Road",
}  # fmt: skip
_MONTHS = {
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July", "Aug": "August",
    "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip
_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thurs": "Thursday",
    "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_DOTTED = {"e.g": "for example", "i.e": "that is", "a.k.a": "also known as", "a.m": "am", "p.m": "pm"}


def _one_of(words: dict[str, str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


SHORT_WORDS = re.compile(rf"\b(?:{_one_of(_ANYWHERE)})\.")
"""Those that are read otherwise at the end of a sentence too."""

_TITLE = re.compile(rf"\b({_one_of(_TITLES)})\.?(?= [A-Z])")
_NUMBERED = re.compile(rf"(?<![\w.])({_one_of(_BEFORE_NUMBERS)})\. ?(?=[-+]?[$€£]?\d)", re.IGNORECASE)
_MONTH = re.compile(rf"(?<![\w.])({_one_of(_MONTHS)})\.(?= \d)|(?<=\d )({_one_of(_MONTHS)})\.(?=[ ,])")
_DAYS_FROM_TO = re.compile(rf"\b({_one_of(_DAYS)})\.?\s?[–-]\s?({_one_of(_DAYS)})\b\.?")
_SHORT = re.compile(rf"(?<![\w.])({_one_of(_ANYWHERE)})\.(?!\w)")
_LETTERS = re.compile(r"\b((?:[A-Za-z]\.){2,})(?!\w)")
_CLOSING = "\"'”’) "


def say_abbreviations(text: str) -> str:
    """Say the abbreviations in an English sentence; a period that ends the sentence too stays.

    Args:
        text: An English sentence, or a part of one.
    """
    text = _LETTERS.sub(_dotted, text)
    text = _TITLE.sub(lambda found: _TITLES[found[1]], text)
    text = _NUMBERED.sub(lambda found: _like(found[1], _BEFORE_NUMBERS[found[1].lower()]) + " ", text)
    text = _MONTH.sub(lambda found: _MONTHS[found[1] or found[2]], text)
    text = _DAYS_FROM_TO.sub(lambda found: f"{_DAYS[found[1]]} to {_DAYS[found[2]]}", text)
    return _SHORT.sub(lambda found: _ANYWHERE[found[1]] + _full_stop(found), text)


def _dotted(found: re.Match[str]) -> str:
    """Say "e.g." in words, and "U.S." as two letters."""
    known = _DOTTED.get(found[1].rstrip(".").lower())
    return (known or " ".join(found[1].replace(".", " ").split())) + _full_stop(found)


def _full_stop(found: re.Match[str]) -> str:
    return "." if found.end() == len(found.string.rstrip(_CLOSING)) else ""


def _like(written: str, said: str) -> str:
    return said.capitalize() if written[0].isupper() else said
