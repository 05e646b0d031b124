"""Answers from what is written in a picture, or in whatever else has rows of writing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sensorium.answer import Evidence
from sensorium.vision_language.starter.languages import folded
from sensorium.vision_language.starter.phrases import Phrase, sentence
from sensorium.vision_language.starter.prominent_writing import height_of, is_legible
from sensorium.vision_language.starter.questions import plain_words, without_article
from sensorium.vision_language.writing import Writing

_CURRENCY = r"(?:[$€£¥₹元円]|zł|USD\b|EUR\b|GBP\b|CNY\b|JPY\b|Fr\b\.?)"
# Whatever may repeat in a pattern is bounded: a row of ten thousand characters would take seconds.
_GROUPED = r"(?:\d{1,3}(?:,\d{3}){1,6}(?:\.\d\d)?|\d{1,3}(?:\.\d{3}){1,6}(?:,\d\d)?|\d{1,3}(?:[ '’]\d{3}){1,6},\d\d)"
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
_PHONE = r"(?<![\d.,/-])\+?\(?\d[\d\s()/-]{5,60}\d(?![\d.,/-])"
_TOTAL = r"\b(?:total|sum)\b"
_NAME = r"\b(?:title|heading|headline|brand|name|called)\b"
_SUM = re.compile(
    r"\b(?:grand total|total|sum|amount due|balance due|to pay|"
    # German, French, Spanish and Portuguese, Italian, Dutch
    r"(?:gesamt|end|rechnungs)?summe|gesamt(?:betrag|preis)?|(?:end|rechnungs|zahl)betrag|zu zahlen(?:de[rn]? betrag)?|"
    r"(?:net )?[àa] payer|somme|(?:total )?a pagar|suma|soma|totale|da pagare|totaal|te betalen)\b|"
    r"合计|合計|总计|總計|総計|总价",
    re.IGNORECASE,
)
# Words that stand beside the sum, but beside parts of it, too.
_AMOUNT_OF_SOMETHING = re.compile(r"\b(?:betrag|montant|importe|importo|bedrag)\b", re.IGNORECASE)
_AS_HIGH = 0.8
_NOT_IN_ROWS = {
    "the",
    "how",
    "for",
    "and",
    "are",
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
_ANYTHING = {"anything", "something", "in it", "on it", "in the picture", "in the film", "in the video", "there"}
_NO_THING = {
    *("it", "this", "that", "they", "these", "those", "all", "everything", "one", "thing", "things", "the", "price"),
    *("total", "sign", "label", "tag", "receipt", "bill", "ticket", "menu", "item", "product", "there", "here", "is"),
}
_NO_SUM = re.compile(
    r"sub-?\s?tota|sous-?\s?total|sub-?\s?totaal|zwischen-?\s?summe|\bsav(?:ed|ings?)\b|discount|\bpoints\b|\bitems\b|"
    r"\bnetto|rabatt|ersparnis|gespart|punkte|remise|descuento|ahorr|desconto|sconto|risparmi|korting|"
    # Taxes alone; a sum may say that they are in it.
    r"\btotal (?:h\.?t\b|(?:de )?(?:tva|iva|mwst|ust|vat|tax))|"
    r"\b(?:mwst|ust|tva|iva|btw|steuer)[ -](?:betrag|montant|importe|importo|bedrag)|(?:steuer|mwst)-?betrag|小计|小計",
    re.IGNORECASE,
)


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
    _Kind(r"e-?mail", "e-mail address", r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
    _Kind(
        r"web ?site|web page|url|web address|link",
        "web address",
        r"(?:https?://|www\.)[^\s,]+|(?<![\w-])[\w-]{1,63}\.(?:com|org|net|io|de|cn|uk|fr)\b",
    ),
    _Kind(r"\bdate\b", "date", _DATE, "date|日期"),
    _Kind(r"\bprices?\b|\bcosts?\b|how much", "price", _AMOUNT, "price|价"),
    # Last: a phone number is no other number, and which number a row has is told by the whole row.
    _Kind(r"\bnumber\b(?! plate)", "number", r"\d"),
)


@dataclass(frozen=True)
class WritingReply:
    """What is answered from writing.

    Attributes:
        text: Whole sentences.
        evidence: The rows that it rests on.
        confidence: How surely the least certain of them was read, from 0 to 1; None if that isn't known.
        found: Whether what was asked for stands there.
    """

    text: str
    evidence: tuple[Evidence, ...] = ()
    confidence: float | None = None
    found: bool = True


class Rows(Protocol):
    """Rows of writing, and how they are told."""

    @property
    def rows(self) -> Sequence[str]:
        """The rows, in reading order."""

    @property
    def title(self) -> str:
        """The first row whose letters are about as high as the highest."""

    def nothing(self, *, asked_for: bool) -> str:
        """Say that there are no rows; ``asked_for`` if something is looked for that may be written there."""

    def say(self, rows: Sequence[str]) -> str:
        """Say what some of the rows say."""

    def tell(self, statement: str, rows: Sequence[str]) -> str:
        """Make a sentence of a statement that rests on some of the rows."""

    def facts(self, rows: Sequence[str]) -> tuple[Evidence, ...]:
        """Return some of the rows as evidence."""


def answer_from_writing(writing: Writing, question: str) -> WritingReply:
    """Answer a question about what is written in a picture.

    Args:
        writing: What was read.
        question: As it was asked, in English.
    """
    written = _PictureRows(writing)
    if writing.lines and not is_legible(writing) and not _looks_for_a_kind(plain_words(question)):
        text = sentence("I can find nothing legible in the picture")
        return WritingReply(text, written.facts(written.rows), found=False)
    return answer_from_rows(written, question)


def answer_from_rows(written: Rows, question: str) -> WritingReply:
    """Answer a question about what is written.

    Args:
        written: What was read.
        question: As it was asked, in English.
    """
    plain = plain_words(question)
    rows = written.rows
    if not rows:
        return WritingReply(written.nothing(asked_for=_looks_for_a_kind(plain)), found=False)
    if re.search(_TOTAL, plain):
        return _total(written)
    for kind in _KINDS:
        if re.search(kind.asked, plain):
            return _find(written, kind, plain)
    if re.match(r"(?:is|are|does|do|can|has|have)\b", plain):
        return _yes_or_no(written, plain)
    if re.search(_NAME, plain):
        return _reply(written, written.say([written.title]), [written.title])
    return _reply(written, written.say(rows), rows)


def looks_for_something(question: str) -> bool:
    """Return whether a question about writing asks for something that may be written there, such as a price or a name.

    Args:
        question: As it was asked, in English.
    """
    plain = plain_words(question)
    return _looks_for_a_kind(plain) or re.search(_NAME, plain) is not None


def at_least_as_high(height: float, highest: float) -> bool:
    """Return whether letters are about as high as the highest."""
    return height >= _AS_HIGH * highest


def quoted(text: str) -> str:
    """Return words in quotation marks."""
    return f'"{text}"'


@dataclass(frozen=True)
class _PictureRows:
    """What is written in a picture."""

    writing: Writing

    @property
    def rows(self) -> Sequence[str]:
        return self.writing.text.splitlines()

    @property
    def title(self) -> str:
        lines = self.writing.lines
        highest = max(map(height_of, lines))
        return next(line.text for line in lines if at_least_as_high(height_of(line), highest))

    def nothing(self, *, asked_for: bool) -> str:
        if asked_for:
            return sentence("I can't tell that from this picture: I can find no writing in it")
        return sentence("I can find no writing in the picture")

    def say(self, rows: Sequence[str]) -> str:
        if len(rows) > 1:
            return Phrase("It says:\n{quote}", quote="\n".join(rows))
        return sentence(Phrase("It says {quote}", quote=quoted(rows[0])))

    def tell(self, statement: str, rows: Sequence[str]) -> str:
        return sentence(statement)

    def facts(self, rows: Sequence[str]) -> tuple[Evidence, ...]:
        return tuple(Evidence("writing", Phrase("{quote}", quote=row), self._confidence(row)) for row in rows)

    def _confidence(self, row: str) -> float | None:
        """Return how surely the least certain piece of a row was read."""
        parts = [line.confidence for line in self.writing.lines if line.text in row]
        return round(min(parts), 2) if parts else None


def _looks_for_a_kind(plain: str) -> bool:
    return re.search("|".join((_TOTAL, *(kind.asked for kind in _KINDS))), plain) is not None


def _total(written: Rows) -> WritingReply:
    """Return the last amount that is called a total; what is paid stands at the end."""
    rows = [row for row in written.rows if not _NO_SUM.search(row)]
    named: list[tuple[str, str]] = []
    for called in (_SUM, _AMOUNT_OF_SOMETHING):
        named = named or [
            (row, amounts[-1]) for row in rows if called.search(row) and (amounts := re.findall(_AMOUNT, row))
        ]
    if not named:
        return _not_found(written, "total")
    row, amount = named[-1]
    return _reply(written, written.tell(Phrase("The {name} is {value}", name="total", value=amount), [row]), [row])


def _find(written: Rows, kind: _Kind, plain: str) -> WritingReply:
    found = [
        (row, match.group().strip())
        for row in written.rows
        for match in re.finditer(kind.written, row, re.IGNORECASE)
        if match
    ]
    if kind.name == "phone number":
        found = [(row, number) for row, number in found if 7 <= sum(map(str.isdigit, number)) <= 15]
    # A row that names what is asked about comes before one that names the kind, and that before all others.
    words = [folded(word) for word in re.findall(r"\w{3,}|[^\W\d_a-z]+", plain) if word not in _NOT_IN_ROWS]
    about = [pair for pair in found if any(_is_named(word, folded(pair[0])) for word in words)]
    called = [pair for pair in found if kind.beside and re.search(kind.beside, pair[0], re.IGNORECASE)]
    priced = _priced(plain) if kind.name == "price" else ""
    found = about or ([] if priced else called) or found
    if not found:
        return _not_found(written, kind.name)
    if kind.name == "number" or (priced and not about):
        rows = list(dict.fromkeys(row for row, _ in found))
        told = written.say(rows)
        if priced:
            told = Phrase("I can find no price beside {phrase!r}. {statement}", phrase=priced, statement=told)
        return _reply(written, told, rows, found=not priced)
    values = list(dict.fromkeys(value for _, value in found))
    if len(values) == 1:
        statement = Phrase("The {name} is {value}", name=kind.name, value=values[0])
    else:
        statement = Phrase("I can read {value}", value="; ".join(values))
    rows = list(dict.fromkeys(row for row, _ in found))
    return _reply(written, written.tell(statement, rows), rows)


def _is_named(word: str, row: str) -> bool:
    """Return whether a row names what a word names: "coffees" stands beside "coffee", too."""
    return word in row or (len(word) > 3 and word.endswith("s") and word[:-1] in row)


def _priced(plain: str) -> str:
    """Return what a price is asked of; "" if of anything, or of what the price stands on."""
    asked = re.search(
        r"\b(?:price|cost) of (?P<of>.+)|how much (?:is|are|does|do|did) (?P<is>.+)|"
        r"what (?:does|do|did) (?P<does>.+) cost",
        plain,
    )
    if asked is None:
        return ""
    thing = re.sub(r" cost\b.*| (?:on|in|at|here|there)\b.*", "", next(filter(None, asked.groups())))
    thing = without_article(re.sub(r" \(.*\)", "", thing)).strip()
    return "" if set(re.findall(r"\w+", thing)) <= _NO_THING else thing


def _not_found(written: Rows, name: str) -> WritingReply:
    text = sentence("I can find no {name} in what is written there", name=name)
    return WritingReply(text, written.facts(written.rows), found=False)


def _yes_or_no(written: Rows, plain: str) -> WritingReply:
    rows = written.rows
    asked = re.search(r"\b(?:say|says|read|reads|word|words)\s+(?:the word\s+)?[\"'“]?(?P<words>[^\"'”]+)$", plain)
    words = asked["words"].strip() if asked else ""
    if words and words not in _ANYTHING:
        there = [row for row in rows if _stands_in(words, row)] or (rows if _stands_in(words, " ".join(rows)) else [])
        if not there:
            return _reply(written, Phrase("No. {statement}", statement=written.say(rows)), rows, found=False)
        rows = there
    return _reply(written, Phrase("Yes. {statement}", statement=written.say(rows)), rows)


def _stands_in(words: str, row: str) -> bool:
    """Return whether words stand in a row, not just as a part of longer ones; only English puts spaces between all."""
    apart = (r"(?<!\w)", r"(?!\w)") if words.isascii() else ("", "")
    return re.search(re.escape(words).join(apart), row.lower()) is not None


def _reply(written: Rows, text: str, rows: Sequence[str], *, found: bool = True) -> WritingReply:
    facts = written.facts(rows)
    confident = [fact.confidence for fact in facts if fact.confidence is not None]
    return WritingReply(text, facts, min(confident, default=None), found)
