"""What the page says, in the languages that it speaks: one TOML file each in ``words/``."""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from sensorium.text.languages import LANGUAGES as SPOKEN

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

    def language_name(self, code: str) -> str:
        """Return what a language that people speak is called."""
        return _language_names(self.language).get(code, code)

    def languages(self) -> list[tuple[str, str]]:
        """Return the languages that people speak, by name and code, sorted by name."""
        names = _language_names(self.language)
        return sorted((name, code) for code, name in names.items())


@cache
def _words(language: str) -> Mapping[str, str]:
    file = importlib.resources.files(__package__) / "words" / f"{language}.toml"
    tables = tomllib.loads(file.read_text("utf-8"))
    return MappingProxyType(
        {f"{table}.{name}": text for table, words in tables.items() for name, text in words.items()}
    )


@cache
def _language_names(language: str) -> Mapping[str, str]:
    """Return the names of the languages that are spoken; those in English are there already."""
    file = importlib.resources.files(__package__) / "words" / f"languages.{language}.toml"
    return MappingProxyType(tomllib.loads(file.read_text("utf-8"))) if file.is_file() else SPOKEN


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
