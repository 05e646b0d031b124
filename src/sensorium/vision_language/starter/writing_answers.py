"""Answers from what is written in a picture."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sensorium.answer import Evidence
from sensorium.vision_language.starter.phrases import Phrase, sentence
from sensorium.vision_language.starter.prominent_writing import height_of
from sensorium.vision_language.starter.questions import plain_words
from sensorium.vision_language.writing import Writing

_CURRENCY = r"(?:[$€£¥₹元円]|zł|USD\b|EUR\b|GBP\b|CNY\b|JPY\b|Fr\b\.?)"
_GROUPED = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d\d)?|\d{1,3}(?:\.\d{3})+(?:,\d\d)?|\d{1,3}(?:[ '’]\d{3})+,\d\d)"
_NUMBER = rf"(?:{_GROUPED}|\d+(?:[.,]\d{{1,2}})?)"
# Without a currency only what has two decimals; "2 100.00" is taken for two things at 100.00.
_AMOUNT = (
    rf"(?<![\d.,/-])(?:{_CURRENCY}\s?{_NUMBER}|{_NUMBER}\s?{_CURRENCY}|(?:{_GROUPED}(?<=[.,]\d\d)|\d+[.,]\d\d))"
    r"(?!\d|%|[.,/-]\d)"
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = (
    r"\b\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b|"
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?\.? {_MONTH},? ?(?:\d{{4}})?\b|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:, ?\d{{4}})?\b|"
    r"\d{4}年\d{1,2}月\d{1,2}日"
)
_PHONE = r"(?<![\d.,/-])\+?\(?\d[\d\s()/-]{5,}\d(?![\d.,/-])"
_TOTAL = r"\b(?:total|sum)\b"
_SUM = re.compile(
    r"\b(?:grand total|total|sum|amount due|balance due|to pay)\b|合计|合計|总计|總計|総計|总价", re.IGNORECASE
)
_AS_HIGH = 0.8
_NOT_IN_ROWS = {
    "what",
    "which",
    "much",
    "does",
    "there",
    "this",
    "that",
    "price",
    "cost",
    "costs",
    "date",
    "number",
    "phone",
}
_NO_SUM = re.compile(r"sub-?\s?total|\bsav(?:ed|ings?)\b|discount|\bpoints\b|\bitems\b|小计|小計", re.IGNORECASE)


@dataclass(frozen=True)
class _Kind:
    """Something that can be looked for in writing.

    Attributes:
        asked: How questions name it.
        name: What it is called in the answer.
        written: What it looks like.
        beside: What a row with it may say, too, which then comes first.
    """

    asked: str
    name: str
    written: str
    beside: str = ""


_KINDS = (
    _Kind(r"\bisbn\b", "ISBN", r"(?<!\d)(?:97[89][- ]?)?(?:\d[- ]?){9}[\dX](?!\d)", "isbn"),
    _Kind(
        r"(?:tele)?phone|(?:mobile|cell|fax) number|number to call",
        "phone number",
        _PHONE,
        r"tel|phone|call|mobile|电话",
    ),
    _Kind(r"e-?mail", "e-mail address", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    _Kind(
        r"web ?site|web page|url|web address|link",
        "web address",
        r"(?:https?://|www\.)[^\s,]+|\b[\w-]+\.(?:com|org|net|io|de|cn|uk|fr)\b",
    ),
    _Kind(r"\bdate\b", "date", _DATE, "date|日期"),
    _Kind(r"\bprices?\b|\bcosts?\b|how much", "price", _AMOUNT, "price|价"),
)


@dataclass(frozen=True)
class WritingReply:
    """What is answered from writing, and the rows that it rests on."""

    text: str
    evidence: tuple[Evidence, ...] = ()
    confidence: float | None = None


def answer_from_writing(writing: Writing, question: str) -> WritingReply:
    """Answer a question about what is written.

    Args:
        writing: What was read.
        question: As it was asked, in English.
    """
    plain = plain_words(question)
    rows = writing.text.splitlines()
    if not rows:
        if re.search("|".join((_TOTAL, *(kind.asked for kind in _KINDS))), plain):
            return WritingReply(sentence("I can't tell that from this picture: I can find no writing in it"))
        return WritingReply(sentence("I can find no writing in the picture"))
    if re.search(_TOTAL, plain):
        return _total(writing, rows)
    for kind in _KINDS:
        if re.search(kind.asked, plain):
            return _find(writing, rows, kind, plain)
    if re.match(r"(?:is|are|does|do|can|has|have)\b", plain):
        return _yes_or_no(writing, rows, plain)
    if re.search(r"\b(?:title|heading|headline|brand|name|called)\b", plain):
        title = _title(writing)
        return _told(writing, Phrase("It says {quote}", quote=_quoted(title)), [title])
    return _told(writing, _whole(writing), rows)


def _whole(writing: Writing) -> str:
    if "\n" in writing.text:
        return Phrase("It says:\n{quote}", quote=writing.text)
    return Phrase("It says {quote}", quote=_quoted(writing.text))


def _total(writing: Writing, rows: list[str]) -> WritingReply:
    """Return the last amount that is called a total; what is paid stands at the end."""
    found = [(row, re.findall(_AMOUNT, row)) for row in rows if _SUM.search(row) and not _NO_SUM.search(row)]
    named = [(row, amounts[-1]) for row, amounts in found if amounts]
    if not named:
        return WritingReply(
            sentence("I can find no {name} in what is written there", name="total"), _facts(writing, rows)
        )
    row, amount = named[-1]
    return _told(writing, Phrase("The {name} is {value}", name="total", value=amount), [row])


def _find(writing: Writing, rows: list[str], kind: _Kind, plain: str) -> WritingReply:
    found = [
        (row, match.group().strip()) for row in rows for match in re.finditer(kind.written, row, re.IGNORECASE) if match
    ]
    if kind.name == "phone number":
        found = [(row, number) for row, number in found if 7 <= sum(map(str.isdigit, number)) <= 15]
    # A row that names what is asked about comes before one that names the kind, and that before all others.
    words = [word for word in re.findall(r"\w{4,}", plain) if word not in _NOT_IN_ROWS]
    about = [pair for pair in found if any(word in pair[0].lower() for word in words)]
    called = [pair for pair in found if kind.beside and re.search(kind.beside, pair[0], re.IGNORECASE)]
    found = about or called or found
    if not found:
        return WritingReply(
            sentence("I can find no {name} in what is written there", name=kind.name), _facts(writing, rows)
        )
    values = list(dict.fromkeys(value for _, value in found))
    if len(values) == 1:
        text = Phrase("The {name} is {value}", name=kind.name, value=values[0])
    else:
        text = Phrase("I can read {value}", value="; ".join(values))
    return _told(writing, text, list(dict.fromkeys(row for row, _ in found)))


def _yes_or_no(writing: Writing, rows: list[str], plain: str) -> WritingReply:
    asked = re.search(r"\b(?:say|says|read|reads|word|words)\s+(?:the word\s+)?[\"'“]?(?P<words>[^\"'”]+)$", plain)
    words = asked["words"].strip() if asked else ""
    if words and words not in {"anything", "something", "in it", "on it", "in the picture", "there"}:
        there = [row for row in rows if _stands_in(words, row)] or (rows if _stands_in(words, " ".join(rows)) else [])
        if not there:
            return _told(writing, Phrase("No. {statement}", statement=_whole(writing)), rows)
        return _told(writing, Phrase("Yes. {statement}", statement=_whole(writing)), there)
    return _told(writing, Phrase("Yes. {statement}", statement=_whole(writing)), rows)


def _stands_in(words: str, row: str) -> bool:
    """Return whether words stand in a row, not just as a part of longer ones; only English puts spaces between all."""
    apart = (r"(?<!\w)", r"(?!\w)") if words.isascii() else ("", "")
    return re.search(re.escape(words).join(apart), row.lower()) is not None


def _title(writing: Writing) -> str:
    """Return the first line whose letters are about as high as the highest."""
    highest = max(map(height_of, writing.lines))
    return next(line.text for line in writing.lines if height_of(line) >= _AS_HIGH * highest)


def _told(writing: Writing, text: str, rows: list[str]) -> WritingReply:
    facts = _facts(writing, rows)
    confident = [fact.confidence for fact in facts if fact.confidence is not None]
    told = text if text.endswith(writing.text) and "\n" in writing.text else sentence(text)
    return WritingReply(told, facts, min(confident) if confident else None)


def _facts(writing: Writing, rows: list[str]) -> tuple[Evidence, ...]:
    return tuple(Evidence("writing", Phrase("{quote}", quote=row), _confidence(writing, row)) for row in rows)


def _confidence(writing: Writing, row: str) -> float | None:
    """Return how surely the least certain piece of a row was read."""
    parts = [line.confidence for line in writing.lines if line.text in row]
    return round(min(parts), 2) if parts else None


def _quoted(text: str) -> str:
    return f'"{text}"'
