"""Nouns of languages in which they have genders and plurals, as the files of nouns write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_WRITTEN = re.compile(r"(?:(?P<gender>mp|fp|m|f|n|p) )?(?P<one>[^|]+)(?:\|(?P<many>.*))?")

_COMPLEMENT = r"( (?:de|del|du|des|à|a|en|con|para|sin|pour|sur|avec|y|et) .*| d'.*)"


@dataclass(frozen=True)
class Noun:
    """A noun.

    Attributes:
        one: The singular as it stands after an indefinite article; the plural if there is no other number.
        named: The singular as it stands after a definite article: an adjective in it may end differently there.
        many: The plural; "" if the noun can't be counted.
        gender: ``m``, ``f`` or ``n``, or of nouns in the plural alone ``p``, ``mp`` or ``fp``; "" if answers don't use
            the noun.
    """

    one: str
    named: str
    many: str
    gender: str

    def forms(self, patterns: Mapping[str, Mapping[str, str]], contractions: Mapping[str, str]) -> dict[str, str]:
        """Return the noun with what a language puts before it, by the names of these forms.

        Args:
            patterns: What stands before a noun by its gender, with ``{one}``, ``{named}`` and ``{many}``; of the form
                ``some`` for nouns that can't be counted, which is also their form ``a``.
            contractions: What runs together, as a pattern, and what it becomes.
        """
        spelled = {"one": self.one, "named": self.named, "many": self.many or self.one}
        formed = {
            name: contracted(by_gender[self.gender].format(**spelled), contractions)
            for name, by_gender in patterns.items()
        }
        return formed if self.many else formed | {"a": formed["some"]}


def read_nouns(written: str, plural: Callable[[str], str]) -> list[Noun]:
    """Read the nouns of one meaning, separated by commas; answers use the first.

    ``m Hund|-e`` is written with the ending of its plural, ``m Apfel|Äpfel`` with the whole of it, ``m Käfer|=`` where
    it is the same, ``n Gemüse|`` where there is none, ``m perro`` where the plural follows the rule of the language.
    ``m Weiße(r) Hai|Weiße Haie`` is "ein Weißer Hai", but "der Weiße Hai".

    Args:
        written: As the file has it.
        plural: The rule.
    """
    nouns = []
    for part in written.split(", "):
        found = _WRITTEN.fullmatch(part)
        assert found, f"{part!r} is not written like a noun"
        one, many = found["one"], found["many"]
        named, strong = re.sub(r"\(\w\)", "", one), re.sub(r"\((\w)\)", r"\1", one)
        if many is None:
            many = strong if (found["gender"] or "").endswith("p") else plural(strong)
        elif many.startswith("-"):
            many = named + many[1:]
        elif many == "=":
            many = strong
        nouns.append(Noun(strong, named, many, found["gender"] or ""))
    return nouns


def contracted(text: str, contractions: Mapping[str, str]) -> str:
    """Run words together as a language does ("de le" is "du")."""
    for pattern, becomes in contractions.items():
        text = re.sub(pattern, becomes, text)
    return text


def by_rules(rules: Sequence[Sequence[str]]) -> Callable[[str], str]:
    """Return the rule of a language's plurals: of the endings that fit, the first, for each word up to a preposition.

    Args:
        rules: What ends a word, as a pattern, and what stands there in the plural.
    """

    def plural(noun: str) -> str:
        head, *rest = re.split(_COMPLEMENT, noun, maxsplit=1)
        return " ".join(map(_plural_word, head.split(" "))) + "".join(rest)

    def _plural_word(word: str) -> str:
        for ending, becomes in rules:
            if re.search(f"{ending}$", word):
                return re.sub(f"{ending}$", becomes, word)
        return word

    return plural
