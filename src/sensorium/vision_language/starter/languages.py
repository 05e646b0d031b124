"""The languages other than English that the starter is asked in: a folder of data files for each.

A question is put into the English that the starter takes apart, and what the starter answers is said again in the
language of the question (`sensorium.vision_language.starter.saying`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files as package_files
from typing import Any

_DATA = package_files("sensorium.vision_language.starter").joinpath("data")
_CODES = ("ja", "zh")
_LONGEST_QUESTION = 300
"""In characters: no form of a question is longer, and the patterns would take long over much text."""
_MARKS = " \t\n?？!！.。,，;；\"'“”‘’"


@dataclass(frozen=True)
class Asked:
    """A question as English asks it.

    Attributes:
        text: As it was asked.
        english: What it means in English; "" if it isn't understood.
        language: What it was asked in; None for English.
        words: What the asker called things, by their English names.
    """

    text: str
    english: str
    language: Language | None = None
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Language:
    """A language: how questions are worded in it, and what things are called.

    Attributes:
        code: ISO 639-1.
    """

    code: str

    @cached_property
    def questions(self) -> dict[str, Any]:
        """How questions are worded."""
        return self._table("questions.toml")

    @cached_property
    def answers(self) -> dict[str, Any]:
        """How answers are worded."""
        return self._table("answers.toml")

    @cached_property
    def nouns(self) -> dict[str, str]:
        """What answers call things, by their English names."""
        return {name: words.split()[0] for table in self._noun_tables for name, words in table.items()}

    @cached_property
    def colours(self) -> dict[str, str]:
        """What answers call colours, by their English names."""
        return {name: words.split()[0] for name, words in self.questions["colours"].items()}

    @cached_property
    def _noun_tables(self) -> Sequence[Mapping[str, str]]:
        table = self._table("nouns.toml")
        return (table["people"], table["regions"], table["things"])

    @cached_property
    def _english(self) -> dict[str, str]:
        """The English names of what questions speak of."""
        found: dict[str, str] = {}
        for table in self._noun_tables:
            for name, words in table.items():
                for word in words.split():
                    found.setdefault(word, name)
        return found

    @cached_property
    def _english_colours(self) -> dict[str, str]:
        return {word: name for name, words in self.questions["colours"].items() for word in words.split()}

    def ask(self, text: str, *, film: bool = False) -> Asked:
        """Put a question into English.

        Args:
            text: The question.
            film: Whether it is about a film, of which more can be asked than of a picture.
        """
        if len(text) > _LONGEST_QUESTION:
            return Asked(text, "", self)
        rest = self._plain(text)
        tables = [self._table("film_questions.toml")] if film else []
        asides = []
        for table in (*tables, self.questions):
            for aside in table.get("asides", ()):
                found = self._pattern(aside["pattern"]).search(rest)
                if found:
                    values = {name: aside.get("values", {}).get(said, said) for name, said in found.groupdict().items()}
                    asides.append(aside["english"].format(**values))
                    rest = rest[: found.start()] + rest[found.end() :]
        for table in (*tables, self.questions):
            for form in table["questions"]:
                for pattern in form["patterns"]:
                    found = self._pattern(pattern).fullmatch(rest)
                    if found:
                        return self._meant(text, form["english"], found.groupdict(), asides)
        return Asked(text, "", self)

    def things_in(self, text: str) -> list[str]:
        """Return the English names of what an answer in this language speaks of, in its order."""
        words = sorted(self._noun_tables[2].values(), key=len, reverse=True)
        named = {spelling: self._english[spelling] for spellings in words for spelling in spellings.split()[:1]}
        longest = sorted(named, key=len, reverse=True)
        return [named[found] for found in re.findall("|".join(map(re.escape, longest)), text)]

    def _meant(self, text: str, english: str, said: Mapping[str, str], asides: Sequence[str]) -> Asked:
        words: dict[str, str] = {}
        meant = {"subject": self._phrase(said["subject"], words)} if said.get("subject") else {}
        if said.get("colour"):
            meant["colour"] = self._english_colours[said["colour"]]
        if said.get("side"):
            meant["side"] = self._english[said["side"]]
        question = english.format(**meant)
        if asides:
            question = f"{question.rstrip('?.')} {' '.join(asides)}{'?' if question.endswith('?') else ''}"
        return Asked(text, question, self, words)

    def _phrase(self, phrase: str, words: dict[str, str]) -> str:
        """Return the English of a noun phrase, and note in ``words`` how the asker called what it names."""
        for english, pattern in self.questions["conjunctions"].items():
            parts = [part for part in re.split(pattern, phrase) if part]
            if len(parts) > 1 and phrase not in self._english:
                return f" {english} ".join(self._phrase(part, words) for part in parts)
        noun = self._noun(phrase)
        if noun in self.questions["pronouns"] or not noun:
            return "it"
        english_noun = self._find(noun)
        words[english_noun] = noun
        return english_noun

    def _noun(self, phrase: str) -> str:
        """Return a noun phrase without what points at it and without what of it is meant."""
        determiner, ending = (self._pattern(self.questions[name]) for name in ("determiners", "endings"))
        while phrase not in self._english and phrase not in self.questions["pronouns"]:
            found = determiner.match(phrase)
            shorter = phrase[found.end() :] if found else phrase
            if shorter not in self._english:
                tail = re.search(f"(?:{ending.pattern})$", shorter)
                shorter = shorter[: tail.start()] if tail else shorter
            if shorter in {phrase, ""}:
                return shorter
            phrase = shorter
        return phrase

    def _find(self, noun: str) -> str:
        """Return the English name of what a noun or its end names; the noun itself if there is none.

        An end counts after words that merely describe, or where the language's compounds are what their ends name, if
        the end is longer than a character: a sea horse is no horse.
        """
        describing = self._pattern(self.questions["modifiers"])
        for start in range(len(noun)):
            name, before = self._english.get(noun[start:]), noun[:start]
            named = self.questions["heads_last"] and len(noun) - start > 1
            if name and (named or not before or describing.fullmatch(before)):
                return name
        return noun

    def _plain(self, text: str) -> str:
        """Return a question without spaces, marks, polite openings and closing particles."""
        spellings = self.questions.get("spellings", {"written": "", "read": ""})
        plain = re.sub(r"\s+", "", text).translate(str.maketrans(spellings["written"], spellings["read"])).strip(_MARKS)
        opening, closing = (self._pattern(self.questions[name]) for name in ("opening", "closing"))
        while (found := opening.match(plain)) and found.end() < len(plain):
            plain = plain[found.end() :].strip(_MARKS)
        while (shorter := re.sub(f"{closing.pattern}$", "", plain).strip(_MARKS)) and shorter != plain:
            plain = shorter
        return plain

    def _pattern(self, written: str) -> re.Pattern[str]:
        for name, meaning in self.questions["macros"].items():
            written = written.replace(name, meaning)
        return _compiled(written)

    def _table(self, name: str) -> dict[str, Any]:
        return _read(self.code, name)


def asked(text: str, *, film: bool = False) -> Asked:
    """Return a question as English asks it, whatever it was asked in.

    Args:
        text: The question.
        film: Whether it is about a film.
    """
    language = language_of(text)
    return Asked(text, text) if language is None else language.ask(text, film=film)


def language_of(text: str) -> Language | None:
    """Return which of the other languages most of a text is written in; None if none of them, so English.

    A Chinese character counts as much as an English word: "有没有iPhone" is Chinese.
    """
    for language in languages():
        letters, only = language.questions["letters"], language.questions.get("only", "")
        if re.search(only, text) and len(re.findall(letters, text)) > len(
            re.findall(r"[^\W\d_]+", re.sub(letters, " ", text))
        ):
            return language
    return None


@cache
def languages() -> tuple[Language, ...]:
    """Return all languages but English."""
    return tuple(map(Language, _CODES))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _read(code: str, name: str) -> dict[str, Any]:
    return tomllib.loads(_DATA.joinpath(code).joinpath(name).read_text(encoding="utf-8"))
