"""The languages other than English that the starter is asked in: a folder of data files for each.

A question is put into the English that the starter takes apart, and what the starter answers is said again in the
language of the question (`sensorium.vision_language.starter.saying`).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files as package_files
from typing import Any

from sensorium.vision_language.starter.inflection import Noun, by_rules, read_nouns

_DATA = package_files("sensorium.vision_language.starter").joinpath("data")
_CODES = ("ja", "zh", "de", "es", "fr")
_LONGEST_QUESTION = 300
"""In characters: no form of a question is longer, and the patterns would take long over much text."""
_MARKS = " \t\n?？!！.。,，;；:\"'“”„‘’¿¡«»…"
_ENGLISH_WORDS = {
    *("the", "a", "an", "is", "are", "was", "were", "of", "in", "on", "it", "this", "that", "these", "there", "here"),
    *("do", "does", "did", "can", "could", "would", "what", "which", "who", "whose", "where", "when", "why", "how"),
    *("many", "much", "any", "and", "or", "not", "no", "you", "me", "my", "i", "has", "have", "with", "at"),
}
_ENGLISH_OPENINGS = _ENGLISH_WORDS - {"was", "a", "an", "in", "on", "me", "no", "has"} | {
    *("tell", "show", "give", "write", "please", "hello", "hi", "hey", "thanks", "thank", "should", "will", "if"),
    "count",
}
"""Words with which a question begins in English alone."""
_ENGLISH_TOO = {
    *("comment", "describe", "dice", "font", "in", "man", "on", "plus", "resume", "son", "was"),
}
"""Little words of other languages that are ordinary words in English; the others are rare words there at most."""
_ENGLISH_ALONE = (_ENGLISH_OPENINGS & _ENGLISH_WORDS) - {"die", "or", "of", "can"}
_ALIKE = str.maketrans("’‘`´-", "'''' ")


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
    def spaced(self) -> bool:
        """Whether its words stand apart, have genders and plurals, and accents that askers may leave out."""
        return bool(self.questions.get("spaced", False))

    @cached_property
    def nouns(self) -> dict[str, str]:
        """What answers call things, by their English names."""
        if self.spaced:
            return {name: noun.one for name, noun in self.inflected.items()}
        return {name: words.split()[0] for table in self._noun_tables for name, words in table.items()}

    @cached_property
    def inflected(self) -> dict[str, Noun]:
        """What answers call things, with genders and plurals, by their English names; of a language whose words stand
        apart."""
        return {name: nouns[0] for table in self._inflected_tables for name, nouns in table.items()}

    @cached_property
    def words(self) -> frozenset[str]:
        """The words that tell it from other languages, of a language whose words stand apart; without accents."""
        return frozenset(word for phrase in self._english for word in phrase.split()) | self.small_words

    @cached_property
    def small_words(self) -> frozenset[str]:
        """Those of its words that most questions are made of."""
        return frozenset(folded(self.questions["small_words"]).split())

    @cached_property
    def colours(self) -> dict[str, str]:
        """What answers call colours, by their English names."""
        return {name: words.split()[0].replace("_", " ") for name, words in self.questions["colours"].items()}

    @cached_property
    def _noun_tables(self) -> Sequence[Mapping[str, str]]:
        table = self._table("nouns.toml")
        return (table["people"], table["regions"], table["things"])

    @cached_property
    def _english(self) -> dict[str, str]:
        """The English names of what questions speak of."""
        found: dict[str, str] = {}
        for name, word in self._spellings():
            found.setdefault(word, name)
        return found

    def _spellings(self) -> Iterator[tuple[str, str]]:
        """Yield English names, each with a spelling of what it is called."""
        if not self.spaced:
            yield from (
                (name, word) for table in self._noun_tables for name, words in table.items() for word in words.split()
            )
            return
        endings = self.questions["case_endings"]
        for table in self._inflected_tables:
            for name, nouns in table.items():
                for noun in nouns:
                    for word in (noun.one, noun.named, noun.many):
                        for spelling in {folded(word), folded(word.replace("ß", "ss").replace("œ", "oe"))} - {""}:
                            yield name, spelling
                            yield from ((name, spelling + ending) for ending in endings)

    @cached_property
    def _inflected_tables(self) -> Sequence[Mapping[str, Sequence[Noun]]]:
        plural = by_rules(self.questions.get("plurals", ()))
        return [{name: read_nouns(written, plural) for name, written in table.items()} for table in self._noun_tables]

    @cached_property
    def _english_colours(self) -> dict[str, str]:
        return {
            self._read(word.replace("_", " ")): name
            for name, words in self.questions["colours"].items()
            for word in words.split()
        }

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
                while found := self._pattern(aside["pattern"]).search(self._read(rest)):
                    values = {name: aside.get("values", {}).get(said, said) for name, said in found.groupdict().items()}
                    if english := aside["english"].format(**values):
                        asides.append(english)
                    between = " " if self.spaced else ""
                    rest = (rest[: found.start()].rstrip(_MARKS) + between + rest[found.end() :].lstrip()).strip(_MARKS)
        for table in (*tables, self.questions):
            for form in table["questions"]:
                for pattern in form["patterns"]:
                    found = self._pattern(pattern).fullmatch(self._read(rest))
                    if found:
                        said = {name: rest[slice(*found.span(name))] for name in found.groupdict() if found[name]}
                        return self._meant(text, form["english"], said, asides)
        return Asked(text, "", self)

    def things_in(self, text: str) -> list[str]:
        """Return the English names of what an answer in this language speaks of, in its order."""
        if self.spaced:
            names = {folded(word): name for name, noun in self.inflected.items() for word in (noun.one, noun.named)}
            longest = sorted(names, key=len, reverse=True)
            return [names[found] for found in re.findall(rf"\b(?:{'|'.join(map(re.escape, longest))})\b", folded(text))]
        words = sorted(self._noun_tables[2].values(), key=len, reverse=True)
        named = {spelling: self._english[spelling] for spellings in words for spelling in spellings.split()[:1]}
        longest = sorted(named, key=len, reverse=True)
        return [named[found] for found in re.findall("|".join(map(re.escape, longest)), text)]

    def _meant(self, text: str, english: str, said: Mapping[str, str], asides: Sequence[str]) -> Asked:
        words: dict[str, str] = {}
        meant = {"subject": self._phrase(said["subject"], words)} if said.get("subject") else {}
        if said.get("colour"):
            meant["colour"] = self._english_colours[self._read(said["colour"])]
        if said.get("side"):
            meant["side"] = self._english[self._read(said["side"])]
        if said.get("priced"):
            # Writing calls it either way.
            noun = self._phrase(said["priced"], words)
            own = words.get(noun.lower(), noun)
            meant["priced"] = noun if own.lower() == noun.lower() else f"{noun} ({own})"
        question = english.format(**meant)
        if asides:
            question = f"{question.rstrip('?.')} {' '.join(asides)}{'?' if question.endswith('?') else ''}"
        return Asked(text, question, self, words)

    def _phrase(self, phrase: str, words: dict[str, str]) -> str:
        """Return the English of a noun phrase, and note in ``words`` how the asker called what it names."""
        for english, pattern in self.questions["conjunctions"].items():
            parts = [part for part in re.split(pattern, phrase, flags=re.IGNORECASE) if part]
            if len(parts) > 1 and self._read(phrase) not in self._english:
                return f" {english} ".join(self._phrase(part, words) for part in parts)
        noun = self._noun(phrase)
        if self._read(noun) in self.questions["pronouns"] or not noun:
            return "it"
        if self.spaced:
            known = self._english.get(self._read(noun), noun)
            words[known.lower()] = noun
            return known
        english_noun = self._find(noun)
        words[english_noun] = noun
        return english_noun

    def _noun(self, phrase: str) -> str:
        """Return a noun phrase without what points at it and without what of it is meant."""
        determiner, ending = (self._pattern(self.questions[name]) for name in ("determiners", "endings"))
        while self._read(phrase) not in self._english and self._read(phrase) not in self.questions["pronouns"]:
            found = determiner.match(self._read(phrase))
            shorter = phrase[found.end() :] if found else phrase
            if self._read(shorter) not in self._english:
                tail = re.search(f"(?:{ending.pattern})$", self._read(shorter))
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
        """Return a question without needless spaces, marks, polite openings and closing particles."""
        spellings = self.questions.get("spellings", {"written": "", "read": ""})
        plain = re.sub(r"\s+", " " if self.spaced else "", unicodedata.normalize("NFC", text) if self.spaced else text)
        plain = plain.translate(str.maketrans(spellings["written"], spellings["read"])).strip(_MARKS)
        opening, closing = (self._pattern(self.questions[name]) for name in ("opening", "closing"))
        while (found := opening.match(self._read(plain))) and found.end() < len(plain):
            plain = plain[found.end() :].strip(_MARKS)
        closing = _compiled(f"{closing.pattern}$")
        while (found := closing.search(self._read(plain))) and found.start() and found.end() > found.start():
            plain = plain[: found.start()].strip(_MARKS)
        return plain

    def _read(self, text: str) -> str:
        """Return a text as the patterns are written: of the same length."""
        return folded(text) if self.spaced else text

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

    A Chinese character counts as much as an English word: "有没有iPhone" is Chinese. A word that is English and
    something else counts as both, and where English has as many words as any, the text is English. So is what has no
    word that only the other language has ("Describe it", "Comment on the photo"), whatever it begins with.
    """
    for language in languages():
        if language.spaced:
            continue
        letters, only = language.questions["letters"], language.questions.get("only", "")
        if re.search(only, text) and len(re.findall(letters, text)) > len(
            re.findall(r"[^\W\d_]+", re.sub(letters, " ", text))
        ):
            return language
    said = re.sub(r"[\"“”„«»].*?[\"“”«»]", " ", text[:_LONGEST_QUESTION])
    words = re.findall(r"[^\W\d_]{2,}", folded(said))
    if not words or words[0] in _ENGLISH_OPENINGS:
        return None
    english = sum(map(_is_english, words))
    raw = re.findall(r"[^\W\d_]{2,}", said.lower())
    spoken = {
        language: (
            sum(word in language.words for word in words),
            sum(word in language.small_words for word in words),
            # "résume" is French, "resume" Spanish, if it has to be told by that.
            sum(word in language.questions["small_words"].split() for word in raw),
        )
        for language in _spaced()
    }
    likeliest = max(spoken, key=lambda language: (*spoken[language], bool(language.ask(text, film=True).english)))
    found, small, _ = spoken[likeliest]
    # "Was hat die Person?" is German though each word is an English one, too.
    own = sum(word in likeliest.words and not _may_be_english(word) for word in words) or (small if small > 2 else 0)
    if own <= sum(word in _ENGLISH_ALONE for word in words):
        return None
    # A word alone may be English all the same, and a question that is understood needs no majority.
    if found > english and (len(words) > 1 or not _is_english_word(words[0])):
        return likeliest
    return likeliest if found and small >= english and likeliest.ask(text, film=True).english else None


def folded(text: str) -> str:
    """Return a text in small letters, without accents, with spaces for hyphens; as long as before."""
    return "".join(unicodedata.normalize("NFD", letter)[0].lower()[0] for letter in text.translate(_ALIKE))


def _is_english(word: str) -> bool:
    """Return whether a word speaks for English: not a little word that is an English word too, such as "das"."""
    if word in _ENGLISH_WORDS:
        return True
    return _is_english_word(word) and not any(word in language.small_words for language in _spaced())


def _may_be_english(word: str) -> bool:
    """Return whether a word doesn't tell another language from English."""
    if word in _ENGLISH_WORDS or word in _ENGLISH_TOO:
        return True
    return _is_english_word(word) and not any(word in language.small_words for language in _spaced())


def _is_english_word(word: str) -> bool:
    # Few questions come so far that they need the list of words.
    from sensorium.vision_language.starter.english_text import english_words

    return word in english_words()


@cache
def _spaced() -> tuple[Language, ...]:
    return tuple(language for language in languages() if language.spaced)


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
