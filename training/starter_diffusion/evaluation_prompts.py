"""The prompts that a checkpoint is judged by: seen in training, and held out in three ways."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.starter_diffusion import phrases
from training.starter_diffusion.configuration import Settings
from training.starter_diffusion.pictures import Manifest

SEEN, STYLE, COLOUR, CONCEPT = "seen", "held-out style", "held-out colour", "held-out concept"
_SEEN_PROMPTS = 64


@dataclass(frozen=True)
class JudgedPrompt:
    """A prompt, what must be seen on the picture, and in what way training knew it.

    Attributes:
        text: The prompt.
        concept: The thing.
        style: Its style, or "" if unsaid.
        colour: Its colour, or "" if unsaid.
        group: `SEEN`, or which combination training never showed.
    """

    text: str
    concept: str
    style: str
    colour: str
    group: str


def judged_prompts(manifest: Manifest, settings: Settings) -> list[JudgedPrompt]:
    """Return the prompts, the same ones for a seed."""
    chance = random.Random(f"judge {settings.seed}")
    styles = settings.data.styles

    def styled(name: str, style: str, group: str, colour: str = "") -> JudgedPrompt:
        words = phrases.with_article(f"{colour} {name}".strip())
        return JudgedPrompt(styles[style][0].format(words), name, style, colour, group)

    seen = sorted(
        {(item.name, item.style) for index, item in enumerate(manifest.pictures) if not manifest.is_hidden(index)}
    )
    drawn = {item.name for item in manifest.pictures if item.hue is not None}
    colours = [(name, colour) for name, colour in manifest.hidden_colour_pairs if name in drawn]
    return [
        *(styled(name, style, SEEN) for name, style in sorted(chance.sample(seen, min(_SEEN_PROMPTS, len(seen))))),
        *(styled(name, style, STYLE) for name, style in manifest.hidden_style_pairs),
        *(JudgedPrompt(phrases.with_article(f"{c} {n}"), n, "", c, COLOUR) for n, c in colours),
        *(JudgedPrompt(phrases.with_article(name), name, "", "", CONCEPT) for name in manifest.hidden_concepts),
    ]


def all_prompts(manifest: Manifest, settings: Settings) -> list[str]:
    """Return every text that an evaluation may ask for."""
    plain = [phrases.with_article(picture.name) for picture in manifest.pictures]
    coloured = [phrases.with_article(f"{c} {p.name}") for p in manifest.pictures for c in phrases.HUES]
    styled = [t.format(words) for words in set(plain) for kinds in settings.data.styles.values() for t in kinds]
    return sorted({*plain, *coloured, *styled, *(prompt.text for prompt in judged_prompts(manifest, settings))})
