"""How English reads signs: comparisons, calculations, ranges, hashtags and Greek letters."""

from __future__ import annotations

import re
import unicodedata

_PLAINER = str.maketrans({
    "\u2009": " ", "\u202f": " ", "\u00a0": " ", "\u2212": "-", "\ufe63": "-", "\uff0d": "-", "‑": "-", "‒": "–",
})  # fmt: skip
_COMPARISONS = {
    "<": "less than", ">": "greater than", "≤": "at most", "≥": "at least", "≈": "about", "≠": "not equal to",
    "≡": "equivalent to",
}  # fmt: skip
_SIGNS = {
    "≤": "at most", "≥": "at least", "≠": "not equal to", "≈": "about", "±": "plus or minus", "∞": "infinity",
    "→": "to", "⇒": "implies", "√": "the square root of", "×": "times", "÷": "divided by", "·": " ", "&": "and",
    "§§": "sections", "§": "section", "¶": "paragraph", "©": "copyright", "®": " ", "™": " ", "℠": " ",
    "‰": "per mille", "№": "number", "℃": "degrees Celsius", "℉": "degrees Fahrenheit",
    "†": " ", "‡": " ", "•": " ", "|": ",", "☎": "telephone",
}  # fmt: skip
_SIGN = re.compile("|".join(map(re.escape, sorted(_SIGNS, key=len, reverse=True))))
_YEAR = r"(?:1[1-9]\d\d|20[1-9]\d)"

_LONE_GREEK = re.compile(r"(?<![Ͱ-Ͽἀ-῿])[Α-ωϐ-ϡἀ-῿](?![Ͱ-Ͽἀ-῿])")
_MINUS_AS_A_DASH = re.compile(r"(?:(?<=\s)|^)[–—](?=\d)")
_YEARS = re.compile(rf"(?<![\d$€£.,:/-])({_YEAR})\s?[–-]\s?({_YEAR}|\d\d)(?![\d-]|[.,:/]\d)")
_YEAR_OF_A_RIGHT = re.compile(rf"(©|\b[Cc]opyright) ({_YEAR})\b")
_DECADE = re.compile(r"(?<!\w)['’]?([2-9])0s\b")
_DECADES = ["twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"]
_NAMED_AND_NUMBERED = re.compile(r"\b([A-Za-z]+)-(\d{1,4})\b(?![-.–/]\d|-)")
_NUMBERED = re.compile(r"\b([Nn]umbers?) (\d{1,4})(?!\d|[.,:/-]\d)")
_COMPARISON = re.compile(rf"(?:(?<=\s)|^)(\S*?)(\s?)([{''.join(_COMPARISONS)}])\s?(?=[-+]?[\d$€£(]|\w\b)")
_OPERAND = re.compile(r"(?:[A-Za-z]|.*\d|.*\))$")
_UNIT = r"%|°[CF]?|[ap]m|[kcm]?m|k?g|mg|ml|l|ft|in|h|s|k|K|M|p"
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_TIMES_OF_DAY = re.compile(r"(?<![\w.-])(\d{1,2}:\d{2})\s?[–-]\s?(\d{1,2}:\d{2})")
_RANGE = re.compile(rf"(?<![\w.:/-])(-?{_NUMBER})\s?({_UNIT})?\s?[–-]\s?(-?{_NUMBER})(?![\d-]|[.,:/]\d)")
_CALCULATED = [
    (re.compile(r"(?<=\d) ?- ?(?=\d+[^,;=]*=)|(?<=\b[a-z]) - (?=\d|[a-z]\b)|(?<=\d[a-z]) - (?=\d)"), " minus "),
    (re.compile(r"(?<=\d)\s?[x×]\s?(?=\d)(?![^,;]*=)"), " by "),
    (re.compile(r"(?<=\d)\s?[*×]\s?(?=\d)"), " times "),
    (re.compile(r"(?<=\d) / (?=\d)"), " divided by "),
    (re.compile(r"(?<=[\d)])\+(?=[\d(])|(?<=[\w)]) \+ (?=[\w(])"), " plus "),
    (re.compile(r"(?<![\w+])\+(?=\d)"), "plus "),
    (re.compile(r"(?<=\w)=(?=-?\d)|(?<=[\w)%]) ?= (?=[-\w(])"), " equals "),
]
_TAGGED = [
    (re.compile(r"\s?~\s?(?=\d)"), " about "),
    (re.compile(r"(?<!\w)#(?=\d)"), "number "),
    (re.compile(r"\b([CF])#(?!\w)"), r"\1 sharp"),
    (re.compile(r"(?<!\w)#(?=\w)"), "hashtag "),
    (re.compile(r"(?<!\w)@(?=\w)"), "at "),
    (re.compile(r"(?<!\d)(?<!\d )°C\b"), "degrees Celsius"),
    (re.compile(r"(?<!\d)(?<!\d )°F\b"), "degrees Fahrenheit"),
]


def plain_signs(text: str) -> str:
    """Write signs that are written in several ways in one of them."""
    text = text.translate(_PLAINER)
    text = text.replace(">=", "≥").replace("<=", "≤").replace("!=", "≠").replace("->", "→")
    return _MINUS_AS_A_DASH.sub("-", text)


def say_greek_letters(text: str) -> str:
    """Call Greek letters by their names, where they stand alone or beside letters of other scripts."""
    return _LONE_GREEK.sub(lambda found: f" {_greek_name(found.group())} ", text)


def without_lone_greek(text: str) -> str:
    """Return a text without the letters that `say_greek_letters` names."""
    return _LONE_GREEK.sub(" ", text)


def say_signs(text: str) -> str:
    """Say the signs in an English sentence.

    Args:
        text: An English sentence, or a part of one; its signs as `plain_signs` writes them.
    """
    text = _YEARS.sub(_years, text)
    text = _YEAR_OF_A_RIGHT.sub(lambda found: f"{found[1]} {_year(found[2])}", text)
    text = _DECADE.sub(lambda found: _DECADES[int(found[1]) - 2], text)
    text = _NAMED_AND_NUMBERED.sub(r"\1 \2", text)
    text = _COMPARISON.sub(_compared, text)
    for pattern, said in _CALCULATED[:1]:
        text = pattern.sub(said, text)
    text = _TIMES_OF_DAY.sub(r"\1 to \2", text)
    text = _RANGE.sub(lambda found: f"{found[1]}{found[2] or ''} to {found[3]}", text)
    for pattern, said in [*_CALCULATED[1:], *_TAGGED]:
        text = pattern.sub(said, text)
    text = _SIGN.sub(lambda found: f" {_SIGNS[found.group()]} ", text)
    return _NUMBERED.sub(_numbered, text)


def _greek_name(letter: str) -> str:
    name = unicodedata.name(unicodedata.normalize("NFKC", letter), "").split()
    spoken = name[3] if len(name) > 3 and name[2] == "LETTER" else ""
    return {"LAMDA": "lambda", "FINAL": "sigma"}.get(spoken, spoken.lower())


def _years(found: re.Match[str]) -> str:
    from spokenform.number_words import cardinal

    last = _year(found[2]) if len(found[2]) == 4 else cardinal(int(found[2]), "en")
    return f"{_year(found[1])} to {last}"


def _year(digits: str) -> str:
    from spokenform.number_words import year

    return year(int(digits), "en")


def _numbered(found: re.Match[str]) -> str:
    """Read "number 10" as a number, and not as the digits of a code."""
    from spokenform.number_words import cardinal

    return f"{found[1]} {cardinal(int(found[2]), 'en')}"


def _compared(found: re.Match[str]) -> str:
    before, space, sign = found.groups()
    said = _COMPARISONS[sign]
    return f"{before}{space or ' '}{'is ' if _OPERAND.match(before) else ''}{said} "
