"""English words that know how they were put together, so that they can be said again in another language.

Like gettext's messages: what is looked up in another language is the template, ``"there is {thing}"``; what stands in
its slots is put into that language by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self


class Phrase(str):
    """A phrase or a sentence: in English, for whoever reads it as a ``str``.

    Attributes:
        template: The words, with ``{slots}``.
        slots: What stands in the slots: phrases, nouns, numbers.

    Args:
        template: The words, with ``{slots}``.
        english: How English says it, where that isn't the filled template, because English inflects.
        slots: What stands in the slots.
    """

    template: str
    slots: dict[str, Any]

    def __new__(cls, template: str, /, *, english: str | None = None, **slots: Any) -> Self:
        phrase = super().__new__(cls, template.format(**slots) if english is None else english)
        phrase.template = template
        phrase.slots = slots
        return phrase

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.template,), {"english": str(self), **self.slots}

    def spelled(self, english: str) -> Self:
        """Return the same phrase, spelled differently in English."""
        return type(self)(self.template, english=english, **self.slots)


class Row(str):
    """Phrases, one after the other.

    Attributes:
        parts: The phrases.
        joint: What stands between them: ``" "``, ``"; "``, a line's end; ``"and"``, ``"or"``
            or ``"clauses"`` for a list.
    """

    parts: tuple[str, ...]
    joint: str

    def __new__(cls, parts: Sequence[str], joint: str, *, english: str | None = None) -> Self:
        row = super().__new__(cls, joint.join(parts) if english is None else english)
        row.parts = tuple(parts)
        row.joint = joint
        return row

    def __getnewargs_ex__(self) -> tuple[tuple[tuple[str, ...], str], dict[str, Any]]:
        return (self.parts, self.joint), {"english": str(self)}

    def spelled(self, english: str) -> Self:
        """Return the same row, spelled differently in English."""
        return type(self)(self.parts, self.joint, english=english)


def sentence(words: str, /, **slots: Any) -> Phrase:
    """Return a sentence with its full stop.

    Args:
        words: A phrase; or, with slots, the template of one.
        slots: What stands in them.
    """
    return Phrase("{statement}.", statement=Phrase(words, **slots) if slots or not _is_put_together(words) else words)


def statement_of(text: str) -> str:
    """Return what a sentence says without its full stop."""
    if isinstance(text, Phrase) and text.template == "{statement}.":
        statement: str = text.slots["statement"]
        return statement
    return text.rstrip(".")


def listed(parts: Sequence[str], word: str = "and", *, joint: str = "") -> str:
    """Return words as a list in a sentence: "a, b and c".

    Args:
        parts: The words.
        word: What stands before the last.
        joint: What other languages know the kind of list by, where that isn't the word: ``"clauses"``.
    """
    if len(parts) == 1:
        return parts[0]
    return Row(parts, joint or word, english=f"{', '.join(parts[:-1])} {word} {parts[-1]}")


def capitalised(text: str) -> str:
    """Return a text with its first letter large and the others as they are."""
    return _spelled(text, text[:1].upper() + text[1:])


def uncapitalised(text: str) -> str:
    """Return a text with its first letter small and the others as they are."""
    return _spelled(text, text[:1].lower() + text[1:])


def _spelled(text: str, english: str) -> str:
    return text.spelled(english) if isinstance(text, (Phrase, Row)) else english


def _is_put_together(text: str) -> bool:
    return isinstance(text, (Phrase, Row))
