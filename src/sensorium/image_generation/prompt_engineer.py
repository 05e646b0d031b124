"""Prompts for text-to-image models: put together, varied, counted."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium import settings
from sensorium.arguments import checked
from sensorium.errors import InputError
from sensorium.image_generation.prompts.variations import PromptVariations, draw_variations, list_variations
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import MediaSource, is_path, resolve
from sensorium.models.extras import missing_packages_explained

if TYPE_CHECKING:
    from sensorium.image_generation.prompts.tokens import PromptLength


class PromptEngineer:
    """Write prompts and negative prompts.

    Args:
        styles: A TOML file (or what was sent as one) with styles of your own, in the layout of ``data/styles.toml``: a
            table ``[styles]`` from name to words, and optionally a table ``[negative]`` from a style's name to what its
            pictures should not have, and the lists ``quality_boosters`` and ``negative_common``.
        wildcards: Lists of words for ``__name__`` in prompts: a folder of text files, one word or phrase a line; or a
            dict from name to words.
        limits: Where the styles may come from.

    Attributes:
        style_keywords: From a style's name to the words that it adds; add to it freely.
        style_negatives: From a style's name to what its pictures should not have; add to it freely.
        quality_boosters: Words that raise the quality; the first two close every prompt.
        negative_common: What no picture should have.

    Raises:
        InputError: The TOML file can't be read or has another layout.
    """

    @checked
    def __init__(
        self,
        styles: MediaSource | None = None,
        *,
        wildcards: str | os.PathLike[str] | Mapping[str, Sequence[str]] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.style_keywords: dict[str, str] = {}
        self.style_negatives: dict[str, str] = {}
        self.quality_boosters: list[str] = []
        self.negative_common: list[str] = []
        folder = isinstance(wildcards, (str, os.PathLike))
        self._wildcards: Any = settings.user_path(wildcards) if folder else wildcards  # type: ignore[arg-type]
        shipped = package_files("sensorium.image_generation").joinpath("data", "styles.toml")
        self._add(tomllib.loads(shipped.read_text(encoding="utf-8")), "styles.toml")
        if styles is not None:
            self._add(*_read_styles(styles, limits or DEFAULT_LIMITS))

    @checked
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
            parts.append(self.style_keywords[self._style(style)])
        parts += [*_phrases(details), *_phrases(lighting), *_phrases(camera), *self.quality_boosters[:2]]
        return ", ".join(parts)

    @checked
    def get_negative_prompt(self, additional: Iterable[str] | str | None = None, style: str | None = None) -> str:
        """Return what the picture should not have, joined by commas.

        Args:
            additional: Further words; one string is one phrase.
            style: Adds what pictures of that style should not have; nothing is said twice then.

        Raises:
            InputError: There is no such style.
        """
        if style is None:
            return ", ".join([*self.negative_common, *_phrases(additional)])
        of_style = [word.strip() for word in self.style_negatives.get(self._style(style), "").split(",")]
        words = [*self.negative_common, *_phrases(of_style), *_phrases(additional)]
        return ", ".join(dict.fromkeys(words))

    @checked
    def variations(self, prompt: str, count: int, seed: int | None = None) -> PromptVariations:
        """Draw prompts from one with choices: ``{red|green} car``, ``{2$$moss|fog|rain}``, ``__colour__``.

        One comes twice only where hardly any other is left. Each is one of `all_variations`.

        Args:
            prompt: See `prompt_variations` for the syntax.
            count: How many, at most 10,000. The first ones don't depend on it.
            seed: Decides the choices; a random one by default.

        Returns:
            A list of prompts, with its ``seed``.

        Raises:
            InputError: The prompt is empty, a brace is not closed, a wildcard is missing or contains itself, or
                ``count`` can't be.
        """
        return draw_variations(prompt, count, seed, wildcards=self._wildcards)

    @checked
    def all_variations(self, prompt: str, *, limit: int = 1000) -> PromptVariations:
        """Return all prompts that one with choices stands for, each once.

        Args:
            prompt: See `prompt_variations` for the syntax.
            limit: More than these are refused, before any is made; at most 10,000.

        Raises:
            InputError: There are more than ``limit``, or as for `variations`.
        """
        return list_variations(prompt, limit=limit, wildcards=self._wildcards)

    @checked
    def count_tokens(
        self, prompt: str, model: str | os.PathLike[str] | None = None, *, profile: str | None = None
    ) -> PromptLength:
        """Count a prompt's tokens as a checkpoint's own tokenizers do, and tell which words would not be read.

        Args:
            prompt: With or without attention weights.
            model: Catalog name, hub id or local folder of a text-to-image checkpoint that is on this machine; None
                for the profile's default.
            profile: Whose; by default the one in force.

        Raises:
            ModelUnavailableError: The checkpoint is unknown or not on this machine.
            UnsupportedError: It has no tokenizer.
        """
        from sensorium.image_generation.prompts.tokens import count_tokens

        with missing_packages_explained("Counting tokens"):
            return count_tokens(prompt, model, profile=profile)

    def _style(self, style: str) -> str:
        """Return the name of a style, whatever its spelling."""
        if style in self.style_keywords:
            return style
        for name in self.style_keywords:
            if _plain(name) == _plain(style):
                return name
        near = difflib.get_close_matches(_plain(style), self.style_keywords, n=1)
        raise InputError(
            f"There is no style {style!r}" + (f", did you mean {near[0]!r}?" if near else ""),
            f"'sensorium prompt --list-styles' shows the {len(self.style_keywords)} that there are; add your own "
            "to style_keywords, or in a file",
        )

    def _add(self, table: dict[str, Any], name: str) -> None:
        for key, words_of in (("styles", self.style_keywords), ("negative", self.style_negatives)):
            found = table.get(key, {})
            if not isinstance(found, dict) or not all(isinstance(words, str) for words in found.values()):
                raise InputError(
                    f"The styles file {name!r} has no table [{key}] from name to words",
                    f'Write it like [{key}] and below it "pixel art" = "pixel art, 16-bit"',
                )
            words_of.update(found)
        strange = sorted(set(self.style_negatives) - set(self.style_keywords))
        if strange:
            raise InputError(
                f"In the styles file {name!r}, [negative] has {strange[0]!r}, which is no style",
                "Write the style's name as under [styles]",
            )
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
        unknown = sorted(set(table) - {"styles", "negative", "quality_boosters", "negative_common"})
        if unknown:
            raise InputError(
                f"The styles file {name!r} has an unknown part {unknown[0]!r}",
                "It may have [styles], [negative], quality_boosters and negative_common",
            )


def _read_styles(source: MediaSource, limits: Limits) -> tuple[dict[str, Any], str]:
    """Return what a styles file holds, and its name."""
    try:
        if isinstance(source, (str, os.PathLike)) and is_path(source) and limits.allow_files:
            name, data = Path(source).name, Path(source).read_bytes()
        else:
            media = resolve(source, limits=limits)
            name, data = media.name, media.read()
        return tomllib.loads(data.decode("utf-8-sig")), name
    except OSError:
        raise InputError(f"The styles file {str(source)!r} can't be read", "Check that it exists") from None
    except ValueError as error:
        raise InputError(f"The styles file {name!r} is not valid TOML: {error}", "Mend that line") from None


def _phrases(words: Iterable[str] | str | None) -> list[str]:
    if words is None:
        return []
    phrases = [words] if isinstance(words, str) else list(words)
    for phrase in phrases:
        if not isinstance(phrase, str):
            raise InputError(f"Words for a prompt can't be of type {type(phrase).__name__}", "Give text")
    return [phrase for phrase in phrases if phrase.strip()]


def _plain(style: str) -> str:
    return style.casefold().replace("_", " ").replace("-", " ").strip()
