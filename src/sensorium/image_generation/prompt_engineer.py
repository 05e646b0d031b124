"""Prompts for text-to-image models, put together from a subject, a style, details, light and camera."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from sensorium.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class PromptEngineer:
    """Write prompts and negative prompts.

    Args:
        styles: A TOML file with styles of your own, in the layout of ``data/styles.toml``: a table ``[styles]``
            from name to words, and optionally the lists ``quality_boosters`` and ``negative_common``.

    Attributes:
        style_keywords: From a style's name to the words that it adds; add to it freely.
        quality_boosters: Words that raise the quality; the first two close every prompt.
        negative_common: What no picture should have.

    Raises:
        InputError: The TOML file can't be read or has another layout.
    """

    def __init__(self, styles: str | os.PathLike[str] | None = None) -> None:
        self.style_keywords: dict[str, str] = {}
        self.quality_boosters: list[str] = []
        self.negative_common: list[str] = []
        shipped = package_files("sensorium.image_generation").joinpath("data", "styles.toml")
        self._add(tomllib.loads(shipped.read_text(encoding="utf-8")), "styles.toml")
        if styles is not None:
            self._add(_read_styles(Path(styles)), Path(styles).name)

    def build_prompt(
        self,
        subject: str,
        style: str | None = "realistic",
        details: Iterable[str] | str | None = None,
        lighting: str | None = None,
        camera: str | None = None,
    ) -> str:
        """Build a prompt: subject, style, details, lighting, camera and two quality words, joined by commas.

        Args:
            subject: What the picture shows.
            style: A name from `style_keywords`, or None for no style.
            details: Further words on the subject; one string is one detail.
            lighting: The light, such as ``"golden hour lighting"``.
            camera: The camera or the view, such as ``"shallow depth of field"``.

        Raises:
            InputError: The subject is empty, or there is no such style.
        """
        if not subject.strip():
            raise InputError("The prompt has no subject", "Say what the picture shows, such as 'a cat on a sofa'")
        parts = [subject]
        if style is not None:
            parts.append(self._words_of(style))
        parts += [*_phrases(details), *_phrases(lighting), *_phrases(camera), *self.quality_boosters[:2]]
        return ", ".join(parts)

    def get_negative_prompt(self, additional: Iterable[str] | str | None = None) -> str:
        """Return what the picture should not have: the common words, then ``additional``, joined by commas."""
        return ", ".join([*self.negative_common, *_phrases(additional)])

    def _words_of(self, style: str) -> str:
        if style in self.style_keywords:
            return self.style_keywords[style]
        for name, words in self.style_keywords.items():
            if _plain(name) == _plain(style):
                return words
        near = difflib.get_close_matches(_plain(style), self.style_keywords, n=1)
        raise InputError(
            f"There is no style {style!r}" + (f", did you mean {near[0]!r}?" if near else ""),
            f"Choose one of {', '.join(map(repr, self.style_keywords))}, or add it to style_keywords",
        )

    def _add(self, table: dict[str, Any], name: str) -> None:
        styles = table.get("styles", {})
        if not isinstance(styles, dict) or not all(isinstance(words, str) for words in styles.values()):
            raise InputError(
                f"The styles file {name!r} has no table [styles] from name to words",
                'Write it like [styles] and below it "pixel art" = "pixel art, 16-bit"',
            )
        self.style_keywords.update(styles)
        for key in ("quality_boosters", "negative_common"):
            words = table.get(key)
            if words is None:
                continue
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise InputError(
                    f"In the styles file {name!r}, {key} is not a list of strings",
                    f'Write it like {key} = ["sharp", "clean"]',
                )
            setattr(self, key, list(words))
        unknown = sorted(set(table) - {"styles", "quality_boosters", "negative_common"})
        if unknown:
            raise InputError(
                f"The styles file {name!r} has an unknown part {unknown[0]!r}",
                "It may have [styles], quality_boosters and negative_common",
            )


def _read_styles(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"The styles file {str(path)!r} can't be read", "Check that it exists") from None
    except ValueError as error:
        raise InputError(f"The styles file {path.name!r} is not valid TOML: {error}", "Mend that line") from None


def _phrases(words: Iterable[str] | str | None) -> list[str]:
    if words is None:
        return []
    return [word for word in ([words] if isinstance(words, str) else words) if word.strip()]


def _plain(style: str) -> str:
    return style.casefold().replace("_", " ").replace("-", " ").strip()
