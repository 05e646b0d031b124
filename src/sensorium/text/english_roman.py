"""Roman numerals as English reads them: "Louis the fourteenth", but "World War two" and "chapter four"."""

from __future__ import annotations

import re

_COUNTED = (
    "War|Chapter|Part|Act|Scene|Volume|Book|Section|Article|Title|Phase|Type|Class|Stage|Level|Mark|Table|Figure"
    "|Appendix|Schedule|Apollo|Gemini|Rocky|Episode|Season|Series|Bowl|Fantasy|Vatican|Pentium|Grade|Division|Group"
    "|Unit|Round|Step|Case|Exhibit|Corps|Legion|Olympiad|Symphony|Sonata|Opus|Movement|chapter|part|section|phase|type"
    "|class|stage|level|grade|volume|book|act|scene|table|figure|appendix"
)
_RULERS = (
    "Pope|King|Queen|Emperor|Tsar|Czar|Sultan|Prince|Duke|Henry|Louis|Edward|George|William|Charles|James|Richard"
    "|Elizabeth|Mary|Napoleon|Pius|Benedict|Leo|Paul|John|Ramses|Ramesses|Frederick|Philip|Alexander|Nicholas|Peter"
    "|Catherine|Ivan|Umberto|Emmanuel|Gustav|Christian|Ferdinand|Francis|Clement|Gregory|Innocent|Urban|Julius|Sixtus"
    "|Boniface|Otto|Joseph|Leopold|Maximilian|Wilhelm|Friedrich|Rudolf|Albert|Baldwin|Haakon|Harald|Olav|Carl|Eric"
    "|Margrethe|Juan|Carlos|Alfonso|Felipe|Isabella|Manuel|Pedro|Afonso|Sancho|Robert|David|Malcolm|Stephen|Mehmed"
    "|Murad|Selim|Darius|Xerxes|Cyrus|Ptolemy|Cleopatra|Amenhotep|Thutmose|Seti|Constantine|Theodosius|Justinian|Basil"
    "|Andrew|Sigismund|Casimir|Stanislaus|Augustus|Victoria|Abdul|Hassan|Mohammed|Muhammad|Adrian|Celestine|Philippe"
)
_NUMERAL = r"(?=[IVXLCDM])(M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))\b(?![.'’]\w)"
_OF_A_RULER = re.compile(rf"\b({_RULERS}) {_NUMERAL}")
_OF_THINGS = re.compile(rf"\b({_COUNTED})\.? {_NUMERAL}")
_OF_A_CENTURY = re.compile(rf"\b{_NUMERAL}(?:th)? (century|centuries)\b")
_AFTER_A_NAME = re.compile(rf"\b([A-Z][a-z]+) {_NUMERAL}")
_WORDS_AND_LETTERS = frozenset(
    [
        "I",
        "V",
        "X",
        "C",
        "D",
        "M",
        "L",
        "MM",
        "CD",
        "DC",
        "MC",
        "MD",
        "DI",
        "MI",
        "DIM",
        "MIX",
        "LIX",
        "MID",
        "CC",
        "CV",
    ]
)
"""What stands after a name and is more likely something else than a numeral."""
_A_PERSON_SPEAKS = re.compile(r"\s+(?:am|have|had|will|would|can|could|do|did|think|know|saw|met|went|said)\b")
_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def say_roman_numerals(text: str) -> str:
    """Say the Roman numerals in an English sentence.

    Args:
        text: An English sentence, or a part of one.
    """
    text = _OF_THINGS.sub(lambda found: f"{found[1]} {_value(found[2])}" if found[2] else found.group(), text)
    text = _OF_A_RULER.sub(_ruler, text)
    text = _OF_A_CENTURY.sub(lambda found: f"{_nth(found[1])} {found[2]}" if found[1] else found.group(), text)
    return _AFTER_A_NAME.sub(_named, text)


def _ruler(found: re.Match[str]) -> str:
    numeral = found[2]
    pronoun = numeral == "I" and _A_PERSON_SPEAKS.match(found.string, found.end())
    return found.group() if pronoun or not numeral else f"{found[1]} the {_nth(numeral)}"


def _named(found: re.Match[str]) -> str:
    numeral = found[2]
    return found.group() if not numeral or numeral in _WORDS_AND_LETTERS else f"{found[1]} {_value(numeral)}"


def _nth(numeral: str) -> str:
    from spokenform.number_words import ordinal

    return ordinal(_value(numeral), "en")


def _value(numeral: str) -> int:
    values = [_DIGITS[sign] for sign in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
