"""Says what the starter answers again in another language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sensorium.vision_language.starter.inflection import contracted
from sensorium.vision_language.starter.languages import Language
from sensorium.vision_language.starter.phrases import Phrase, Row
from sensorium.vision_language.starter.vocabulary import find_thing, singular

_AS_IT_IS = {"time", "start", "end", "span", "quote", "value", "width", "height", "code", "words"}


class Said(str):
    """A phrase in another language.

    Attributes:
        noun: The same without article and number.
        forms: A noun with what stands before it, by the names that phrases know the forms by: ``{noun.the}``.
    """

    noun: str
    forms: Mapping[str, str]

    def __new__(cls, text: str, noun: str = "", forms: Mapping[str, str] | None = None) -> Said:
        said = super().__new__(cls, text)
        said.noun = noun or text
        said.forms = forms or {}
        return said

    def __getattr__(self, form: str) -> str:
        """Return a form; the noun alone where a word is not in the list of nouns, or has no such form."""
        if form.startswith("_"):
            raise AttributeError(form)
        return self.forms.get(form, self.noun)


def say(text: str, language: Language, words: Mapping[str, str]) -> str:
    """Say an answer in another language.

    Args:
        text: A phrase, a sentence or several.
        language: The language.
        words: What the asker called things, by their English names.

    Returns:
        The answer; in English what is in no phrase book.
    """
    return str(_Speaker(language, words).say(text, "words"))


class _Speaker:
    def __init__(self, language: Language, words: Mapping[str, str]) -> None:
        self._language = language
        self._words = words

    def say(self, text: Any, slot: str) -> Said:
        said = self._said(text, slot)
        if self._language.spaced and isinstance(text, (Row, Phrase)) and text[:1].isupper():
            return Said(said[:1].upper() + said[1:], said.noun, said.forms)
        return said

    def _said(self, text: Any, slot: str) -> Said:
        if isinstance(text, Row):
            return Said(self._joined([self.say(part, slot) for part in text.parts], text.joint))
        if isinstance(text, Phrase):
            return self._phrase(text)
        return Said(str(text)) if slot in _AS_IT_IS else self._word(str(text), slot)

    def _phrase(self, phrase: Phrase) -> Said:
        template = phrase.template[:1].lower() + phrase.template[1:]
        known = self._language.answers["phrases"].get(template)
        if known is None and template != "{noun}":
            return Said(str(phrase))
        slots = {name: self.say(value, name) for name, value in phrase.slots.items()}
        if template in {"a {noun}", "{noun}"}:
            noun = slots["noun"]
            if self._language.spaced:
                return Said(noun.a, noun.noun, noun.forms)
            measure = self._measure(phrase.slots["noun"]) if template == "a {noun}" else ""
            return Said(measure + noun, noun)
        unlisted = self._language.answers.get("unlisted", {}).get(template)
        if unlisted is not None and not slots["noun"].forms:
            known = unlisted
        return Said(known.format(**slots), slots["thing"].noun if "thing" in slots else "")

    def _word(self, word: str, slot: str) -> Said:
        """Return what a word is called: a colour, a number, or what the asker called it, or what it is called."""
        answers = self._language.answers
        if slot in {"colour", "colours"}:
            return Said(self._language.colours.get(word, word))
        if slot == "number":
            return Said(answers["numbers"].get(word, word))
        if len(parts := re.split(" (and|or) ", word)) > 1:
            return Said(
                "".join(
                    answers["joints"][part] if index % 2 else self._word(part, slot) for index, part in enumerate(parts)
                )
            )
        if slot == "phrase":
            return Said(self._words.get(word[:1].lower() + word[1:], word))
        for name in (word, singular(word)):
            if self._language.spaced and name in self._language.inflected:
                noun = self._language.inflected[name]
                return Said(noun.one, forms=noun.forms(answers["forms"], answers["contractions"]))
            if name in self._words:
                return Said(self._words[name])
            if name in self._language.nouns:
                return Said(self._language.nouns[name])
        return Said(word)

    def _joined(self, parts: Sequence[str], joint: str) -> str:
        joints = self._language.answers["joints"]
        if joint in {"and", "or"}:
            *before, last = parts
            together = joints["list"].join(before) + joints[joint] + last if before else last
            return contracted(together, joints.get("contractions", {}))
        return str(joints.get(joint, joint)).join(parts)

    def _measure(self, noun: str) -> str:
        """Return "one" with the measure word that goes with a noun."""
        answers = self._language.answers
        for measure, nouns in answers["measures"].items():
            if noun in nouns:
                return str(measure)
        thing = find_thing(re.sub(r"^.* of ", "", noun))
        for measure, kinds in answers["measures"].items():
            if thing is not None and any((kind := find_thing(name)) and thing.kinds <= kind.kinds for name in kinds):
                return str(measure)
        return str(answers["measure"])
