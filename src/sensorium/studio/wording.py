"""What the page says, in the languages that it speaks: one TOML file each in ``words/``."""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

LANGUAGES = {"en": "English", "zh": "简体中文"}
"""The languages of the page by their codes, each with its own name."""


class Wording:
    """The page's words in one language.

    Args:
        language: One of `LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = _words(language)

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a text.

        Args:
            key: Table and name, such as ``"paint.prompt"``.
            values: What stands in the text in braces.
        """
        text = self._words[key]
        return text.format(**values) if values else text


@cache
def _words(language: str) -> Mapping[str, str]:
    file = importlib.resources.files(__package__) / "words" / f"{language}.toml"
    tables = tomllib.loads(file.read_text("utf-8"))
    return MappingProxyType(
        {f"{table}.{name}": text for table, words in tables.items() for name, text in words.items()}
    )


def preferred_language(accepted: str) -> str:
    """Return the language of the page that a browser's ``Accept-Language`` header asks for first."""
    weighed = []
    for number, each in enumerate(accepted.split(",")):
        tag, _, weight = each.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), number, tag.partition("-")[0].lower()))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(weighed) if tag in LANGUAGES), "en")
