"""What an evaluation looks at besides the subject: style, colour, copies of training pictures, seeds, edges."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from training.starter_diffusion import contact_sheet, measures, phrases, real_pictures
from training.starter_diffusion.configuration import Settings
from training.starter_diffusion.evaluation_prompts import COLOUR, SEEN, JudgedPrompt
from training.starter_diffusion.latents import canny
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.scenes import render, training_scenes

CONTROLLED = 16
COPY_DISTANCE = 0.02
_COLOURED = 4


def style(
    prompts: Sequence[JudgedPrompt], painted: Sequence[PIL.Image.Image], settings: Settings, pictures: Pictures
) -> dict[str, Any]:
    """Return how often a picture is nearest to the real one of its own style among those of the same thing."""
    of_concept: dict[str, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures.manifest.pictures):
        of_concept[picture.name].append(index)
    right: dict[str, list[bool]] = defaultdict(list)
    chances = []
    for prompt, image in zip(prompts, painted, strict=True):
        if not prompt.style:
            continue
        row = measures.small(image)
        distances = {
            index: min(
                float(np.linalg.norm(row - measures.small(real)))
                for mirrored in (False, True)
                for real in [real_pictures.drawn(index, settings, pictures, mirrored=mirrored)]
            )
            for index in of_concept[prompt.concept]
        }
        best = min(distances, key=lambda index: distances[index])
        right[prompt.group].append(pictures.manifest.pictures[best].style == prompt.style)
        chances.append(1 / len(distances))
    both = [value for values in right.values() for value in values]
    return {
        "pictures": len(both),
        "right": round(sum(both) / max(1, len(both)), 3),
        "chance": round(sum(chances) / max(1, len(chances)), 3),
        **{group: round(sum(values) / len(values), 3) for group, values in right.items()},
    }


def colour(
    prompts: Sequence[JudgedPrompt],
    painted: Sequence[PIL.Image.Image],
    settings: Settings,
    pictures: Pictures,
    painter: Any,
    out: Path,
) -> dict[str, Any]:
    """Return how often a picture's main colour is the one asked for, in pairs that training showed and in hidden ones.

    For the first kind a few things are painted in all colours.
    """
    manifest = pictures.manifest
    known = [manifest.pictures[index] for index in real_pictures.visible(manifest)]
    names = sorted({picture.name for picture in known if picture.hue is not None})
    chosen = random.Random(f"colours {settings.seed}").sample(names, min(_COLOURED, len(names)))
    asked = [(name, colour) for name in chosen for colour in phrases.HUES]
    texts = [phrases.with_article(f"{colour} {name}") for name, colour in asked]
    shown = painter.paint(texts, [0] * len(texts))
    contact_sheet.write(out / "colours.webp", shown, [f"{text} (seed 0)" for text in texts], columns=len(phrases.HUES))
    hidden = set(manifest.hidden_colour_pairs)
    seen = [
        measures.main_colour(image) == pair[1] for image, pair in zip(shown, asked, strict=True) if pair not in hidden
    ]
    pairs = [(image, prompt) for image, prompt in zip(painted, prompts, strict=True) if prompt.group == COLOUR]
    held_out = [measures.main_colour(image) == prompt.colour for image, prompt in pairs]
    real = [
        measures.main_colour(real_pictures.of_prompt(prompt, settings, pictures)) == prompt.colour
        for _, prompt in pairs
    ]
    return {
        "chance": round(1 / len(phrases.HUES), 3),
        "seen": {"pictures": len(seen), "right": _share(seen)},
        COLOUR: {"pictures": len(held_out), "right": _share(held_out), "real pictures": _share(real)},
    }


def control(settings: Settings, pictures: Pictures, painter: Any, out: Path) -> dict[str, Any]:
    """Paint along the edges of real pictures; return how often a picture has its own edges rather than another's."""
    known = real_pictures.visible(pictures.manifest)
    chosen = random.Random(f"control {settings.seed}").sample(known, min(CONTROLLED, len(known)))
    asked = [canny(np.asarray(real_pictures.drawn(index, settings, pictures))) for index in chosen]
    maps = [PIL.Image.fromarray(edges).convert("RGB") for edges in asked]
    texts = [phrases.with_article(pictures.manifest.pictures[index].name) for index in chosen]
    painted = painter.paint_along(maps, texts, list(range(len(chosen))))
    found = [canny(np.asarray(image)) for image in painted]
    own = [measures.covered(edges, image) for edges, image in zip(asked, found, strict=True)]
    others = [measures.covered(asked[number - 1], image) for number, image in enumerate(found)]
    both = [image for pair in zip(maps, painted, strict=True) for image in pair]
    contact_sheet.write(out / "control.webp", both, [text for name in texts for text in ("edges", name)])
    return {
        "pictures": len(chosen),
        "followed": round(sum(mine > other for mine, other in zip(own, others, strict=True)) / len(chosen), 3),
        "own edges covered": round(float(np.median(own)), 3),
        "another's edges covered": round(float(np.median(others)), 3),
    }


def copying(
    prompts: Sequence[JudgedPrompt],
    painted: Sequence[PIL.Image.Image],
    settings: Settings,
    pictures: Pictures,
) -> tuple[dict[str, Any], list[PIL.Image.Image]]:
    """Return how far each picture is from the nearest training picture, and those training pictures."""
    scenes = training_scenes(pictures.manifest, settings.data, settings.seed)

    def training() -> Iterator[PIL.Image.Image]:
        return (PIL.Image.fromarray(render(scene, pictures, settings.data.side)) for scene in scenes)

    hidden = sorted(set(range(len(pictures.manifest.pictures))) - set(real_pictures.visible(pictures.manifest)))
    judged = [*painted, *(real_pictures.drawn(index, settings, pictures) for index in hidden)]
    found, which = measures.nearest(
        np.stack([measures.small(image) for image in judged]), measures.in_chunks(training())
    )
    distances, between = found[: len(painted)], found[len(painted) :]
    held_out = np.array([prompt.group != SEEN for prompt in prompts])
    report = {
        "pixel distance of seen prompts": _quartiles(distances[~held_out]),
        "pixel distance of held-out prompts": _quartiles(distances[held_out]),
        "pixel distance of real held-out pictures": _quartiles(between),
        "copies of seen prompts": _share(distances[~held_out] < COPY_DISTANCE),
        "copies of held-out prompts": _share(distances[held_out] < COPY_DISTANCE),
        "copies of real held-out pictures": _share(between < COPY_DISTANCE),
        "pixel distances": {
            f"{prompt.text} ({number})": round(float(distances[number]), 4) for number, prompt in enumerate(prompts)
        },
    }
    return report, [
        PIL.Image.fromarray(render(scenes[index], pictures, settings.data.side)) for index in which[: len(painted)]
    ]


def is_repeatable(painter: Any, texts: Sequence[str]) -> bool:
    """Return whether a seed gives the same picture again, and another seed another one.

    A batch of another size may round differently, so each is painted alone.
    """
    for number, text in enumerate(texts):
        first, again, other = (painter.paint([text], [seed])[0].tobytes() for seed in (number, number, 10**6))
        if first != again or first == other:
            return False
    return True


def _share(right: Any) -> float:
    return round(float(np.mean(right)), 3) if len(right) else 0.0


def _quartiles(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in np.quantile(values, [0.25, 0.5, 0.75])]
