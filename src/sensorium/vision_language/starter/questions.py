"""What a question about a picture asks for, as far as its words tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files as package_files

from sensorium.vision_language.starter.english_text import about_people
from sensorium.vision_language.starter.vocabulary import Thing, find_thing, singular

_ANYBODY = {"person", "human", "someone", "somebody", "anyone", "anybody", "face", "crowd", "pedestrian"}
_COLOURS = (
    *("black", "white", "grey", "gray", "red", "orange", "brown", "beige", "yellow", "green", "blue", "teal"),
    *("purple", "pink", "olive", "turquoise", "violet"),
)
COLOURS = frozenset(_COLOURS)
_KINDS = {f"{word} of" for word in ("kind", "kinds", "type", "types", "sort", "sorts", "breed", "species")}
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PICTURE = r"(?:images?|pictures?|photos?|photographs?|scenes?|pics?|shots?|frames?|films?|videos?|movies?|clips?)"
_MACROS = {
    "<is>": r"(?:is|are|was|were)",
    "<picture>": _PICTURE,
    "<taken>": r"(?:(?:an? |the )?(?:indoors?|outdoors?|inside|outside|in the open(?: air)?|open air)(?: or not)?)",
    "<colour>": rf"(?P<colour>{'|'.join(_COLOURS)})",
    "<side>": r"(?P<side>left|right|top|bottom|middle|centre|center)",
    "<subject>": r"(?P<subject>\w[\w\s',-]*?)",
    " ...": r"(?:\b.*)?",
}
_NOT_THE_SUBJECT = re.compile(
    rf"\b(?:in|on|of|at|within|from|inside|across)\s+(?:the|this|that|these|a|your|my)\s+{_PICTURE}\b|"
    rf"\b(?:the|this|that)\s+{_PICTURE}\b|^\s*{_PICTURE}\s*$|"
    r"\b(?:here|there|please|visible|shown|exactly|present|now|wearing|depicted|pictured)\b"
)
_OPENING = re.compile(
    r"^(?:hi|hello|hey|ok|okay|so|well|and|then|now|please|also|but|thanks|thank you)\b[\s,.!]*|"
    r"^(?:(?:can|could|would|will) you (?:please )?)?(?:tell|show) me (?:if |whether )?|"
    r"^(?:do you know|i wonder|i want to know|i'd like to know) (?:if |whether )?"
)
_ARTICLES = re.compile(r"^(?:the|a|an|any|some|this|that|these|those|your|my|its|their|his|her|many|of|one|more)\s+")
_POINTING = {"it", "this", "that", "they", "these", "those", "you", "you see", "one", "thing", "object", "s"}


class Asks(Enum):
    """What is asked for."""

    CONTENT = "what the picture shows"
    DETAIL = "everything about the picture"
    COUNT = "how many"
    COLOUR = "which colour"
    IS_COLOUR = "whether something has a colour"
    PRESENCE = "whether there is something"
    KIND = "which kind of something"
    PLACE = "where something is"
    IS_PLACE = "whether something is in some part of the picture"
    LIGHT = "whether it is dark or bright"
    BLUR = "whether it is blurred"
    TAKEN = "whether the picture was taken outdoors or indoors"
    SIZE = "how large the picture is"
    WRITING = "what is written"
    IDENTITY = "who somebody is"
    ACTION = "what somebody is doing"
    PART = "what is in some part of the picture"
    OTHER = "something else"


@dataclass(frozen=True)
class Question:
    """A question, taken apart.

    Attributes:
        text: As it was asked.
        asks: What it asks for.
        subject: The noun phrase that it is about, without articles; "" where it is the picture itself.
        colour: The colour that it names; or "".
        side: The part of the picture that it names, such as "left", "middle", "top"; or "".
    """

    text: str
    asks: Asks
    subject: str = ""
    colour: str = ""
    side: str = ""

    @property
    def thing(self) -> Thing | None:
        """What the subject stands for in the vocabulary; None if nothing."""
        return find_in_phrase(self.subject)

    @property
    def only_thing(self) -> Thing | None:
        """The same; None if the subject is several things, of which the vocabulary's would be the last."""
        several = re.search(r" (?:and|or) ", self.subject) is not None
        return find_thing(self.subject) if several else self.thing

    @property
    def attributes(self) -> str:
        """What the subject says besides what the thing or the people are called: "green", "two"; "" if nothing."""
        if self.about_people:
            words = self.subject.split()[:-1]
            return " ".join(word for word in words if word not in {"human", "other"} and not about_people(word))
        return _thing_in(self.subject)[1]

    @property
    def about_many(self) -> int:
        """The number of people or things that the subject names; 0 if none."""
        return _number(self.attributes.split(" ")[0])

    @property
    def noun(self) -> str:
        """The subject in words: as it was asked, but in the vocabulary's spelling ("Pekingese")."""
        thing = self.thing
        return thing.name if thing is not None and thing.name.lower() == self.subject else self.subject

    @property
    def about_people(self) -> bool:
        """Whether the subject is people."""
        words = self.subject.split()
        return bool(words) and (about_people(words[-1]) > 0 or singular(words[-1]) in _ANYBODY)

    @property
    def about_faces(self) -> bool:
        """Whether the subject is faces rather than people."""
        words = self.subject.split()
        return bool(words) and singular(words[-1]) == "face"

    @property
    def about_particular_people(self) -> bool:
        """Whether the subject is people of some age, sex or trade, which nothing here can tell."""
        return self.about_people and not any(singular(word) in _ANYBODY for word in self.subject.split())


def parse_question(text: str) -> Question:
    """Take a question apart by its wording."""
    plain = plain_words(text)
    for asks, pattern in _forms():
        found = pattern.fullmatch(plain)
        if found:
            groups = found.groupdict()
            subject = subject_in(groups.get("subject") or "")
            if asks is Asks.KIND and not subject:
                return Question(text, Asks.CONTENT)
            colour = (groups.get("colour") or "").replace("gray", "grey")
            side = re.sub("cent(?:re|er)", "middle", groups.get("side") or "")
            return Question(text, asks, subject, colour, side)
    return Question(text, Asks.OTHER)


def find_in_phrase(phrase: str) -> Thing | None:
    """Return the thing that a noun phrase names: all of it, or its last words; what stands before "of" first."""
    return _thing_in(phrase)[0]


def _thing_in(phrase: str) -> tuple[Thing | None, str]:
    """Return the thing that a noun phrase names, and the words before its name."""
    head, _, rest = phrase.partition(" of ")
    for part in (head, phrase, rest):
        words = part.split()
        for start in range(len(words)):
            thing = find_thing(" ".join(words[start:]))
            if thing is not None:
                before = " ".join(words[:start])
                return thing, "" if before in _KINDS else before
    return None, ""


def _number(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() else _NUMBERS.index(word) + 2 if word in _NUMBERS else 0


def without_article(phrase: str) -> str:
    """Return a noun phrase without the articles and pronouns in front."""
    while (shorter := _ARTICLES.sub("", phrase)) != phrase:
        phrase = shorter
    return phrase


def read_forms(package: str, path: str, macros: Mapping[str, str]) -> list[tuple[str, re.Pattern[str]]]:
    """Read how questions are worded.

    Args:
        package: Whose data file it is.
        path: The file inside the package.
        macros: What short names in its patterns stand for, besides those that all question forms know.

    Returns:
        What is asked for and the pattern of the whole question, in the order of the file.
    """
    table = tomllib.loads(package_files(package).joinpath(path).read_text(encoding="utf-8"))
    forms = []
    for entry in table["forms"]:
        for pattern in entry["patterns"]:
            written = pattern
            for name, meaning in {**macros, **_MACROS}.items():
                written = written.replace(name, meaning)
            forms.append((entry["asks"], re.compile(written)))
    return forms


@cache
def _forms() -> tuple[tuple[Asks, re.Pattern[str]], ...]:
    forms = read_forms("sensorium.vision_language.starter", "data/question_forms.toml", {})
    return tuple((Asks[asks], pattern) for asks, pattern in forms)


def plain_words(text: str) -> str:
    """Return a question in lower case, without question mark, contractions, greetings and polite openings."""
    plain = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip(" ?!.\"'")
    plain = re.sub(r"\b(what|where|who|how|that|it|there)'s\b", r"\1 is", plain)
    while (shorter := _OPENING.sub("", plain).strip(" ,")) and shorter != plain:
        plain = shorter
    return plain


def subject_in(words: str) -> str:
    """Return the noun phrase in some words of a question, without articles and without "in the picture"."""
    subject = re.sub(r"\s+", " ", _NOT_THE_SUBJECT.sub(" ", f" {words} ")).strip(" ,.-'")
    subject = without_article(subject)
    return "" if subject in _POINTING else subject
