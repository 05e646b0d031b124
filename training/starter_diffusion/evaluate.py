"""Judges a checkpoint on prompts that training showed and on held-out ones; says whether it earns its place.

The judge is the starter's image-text encoder, which took no part in the training. Writes ``report.json`` and contact
sheets with every picture painted; the exit status is 1 if the checkpoint doesn't earn its place.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from training.starter_diffusion import contact_sheet, measures, phrases
from training.starter_diffusion.configuration import Settings, read_settings
from training.starter_diffusion.evaluation_prompts import (
    COLOUR,
    CONCEPT,
    SEEN,
    STYLE,
    JudgedPrompt,
    judged_prompts,
)
from training.starter_diffusion.latents import canny
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.pipeline import CONTROL as CONTROL_FOLDER
from training.starter_diffusion.scenes import Placed, Scene, render, training_scenes

STEPS, GUIDANCE = 20, 3.5
CANDIDATES, BEST = 20, 5
_BATCH = 16
_COPY_DISTANCE = 0.02
_SEED_PROMPTS = 2
_CONTROLLED = 16


class Painter:
    """Paints prompts with plain diffusers.

    Args:
        checkpoint: Folder in diffusers' layout.
        steps: Of denoising.
        guidance: Scale of classifier-free guidance.
    """

    def __init__(self, checkpoint: Path, steps: int = STEPS, guidance: float = GUIDANCE) -> None:
        from diffusers import StableDiffusionPipeline

        self._pipeline: Any = StableDiffusionPipeline.from_pretrained(checkpoint, safety_checker=None)
        self._pipeline.set_progress_bar_config(disable=True)
        self._steps, self._guidance = steps, guidance
        self.control: Any = _open_control(self._pipeline, checkpoint / CONTROL_FOLDER)

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[PIL.Image.Image]:
        """Return one picture for each prompt and seed."""
        pictures = []
        for start in range(0, len(prompts), _BATCH):
            chosen = list(prompts[start : start + _BATCH])
            generators = [torch.Generator().manual_seed(seed) for seed in seeds[start : start + _BATCH]]
            found = self._pipeline(
                chosen, num_inference_steps=self._steps, guidance_scale=self._guidance, generator=generators
            )
            pictures.extend(found.images)
        return pictures

    def paint_along(
        self, edges: Sequence[PIL.Image.Image], prompts: Sequence[str], seeds: Sequence[int]
    ) -> list[PIL.Image.Image]:
        """Return one picture for each map of edges, prompt and seed."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        found = self.control(
            list(prompts),
            image=list(edges),
            num_inference_steps=self._steps,
            guidance_scale=self._guidance,
            generator=generators,
        )
        return found.images


def _open_control(pipeline: Any, folder: Path) -> Any | None:
    """Return the pipeline with the checkpoint's ControlNet, or None if it has none."""
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    if not folder.is_dir():
        return None
    network = ControlNetModel.from_pretrained(folder)
    painter = StableDiffusionControlNetPipeline(
        **pipeline.components, controlnet=network, requires_safety_checker=False
    )
    painter.set_progress_bar_config(disable=True)
    return painter


class Judge:
    """The starter's image-text encoder: ranks the right thing among others.

    Args:
        names: All things that may be candidates.
    """

    def __init__(self, names: Sequence[str]) -> None:
        from sensorium import CLIP

        self._clip = CLIP("conse-starter")
        self._names = list(names)
        self._texts = self._clip.encode_text([phrases.with_article(name) for name in self._names])

    def encode(self, pictures: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Return rows of length 1."""
        return self._clip.encode_image(list(pictures))

    def rank(self, rows: torch.Tensor, concepts: Sequence[str], seed: int) -> list[int]:
        """Return the place, from 0, of each picture's thing among itself and 19 others drawn by the seed."""
        chance = random.Random(f"candidates {seed}")
        places = []
        for row, concept in zip(rows, concepts, strict=True):
            others = [index for index, name in enumerate(self._names) if name != concept]
            chosen = chance.sample(others, min(CANDIDATES - 1, len(others)))
            cosines = self._texts[[self._names.index(concept), *chosen]] @ row
            places.append(int((cosines[1:] > cosines[0]).sum()))
        return places


def main() -> None:
    """Read the command line, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="narrow.toml or wide.toml")
    parser.add_argument("data", type=Path, help="the packed data set")
    parser.add_argument("checkpoint", type=Path, help="folder in diffusers' layout")
    parser.add_argument("out", type=Path, help="folder for the report and the sheets")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.environ["SENSORIUM_THREADS"] = str(arguments.threads)  # the judge would take all there are
    settings, pictures = read_settings(arguments.settings), Pictures(arguments.data)
    judge = Judge(sorted({picture.name for picture in pictures.manifest.pictures}))
    report = evaluate(settings, pictures, Painter(arguments.checkpoint), judge, arguments.out)
    print(json.dumps(report, indent=1))
    raise SystemExit(0 if report["earns its place"] else 1)


def evaluate(settings: Settings, pictures: Pictures, painter: Any, judge: Any, out: Path) -> dict[str, Any]:
    """Paint, measure, write everything into ``out``, and return the report.

    Args:
        settings: Of the scale.
        pictures: Its data set.
        painter: A `Painter`.
        judge: A `Judge`.
        out: A folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    prompts = judged_prompts(pictures.manifest, settings)
    painted = painter.paint([prompt.text for prompt in prompts], list(range(len(prompts))))
    rows = judge.encode(painted)
    report: dict[str, Any] = {"groups": {}, "candidates": CANDIDATES, "chance top-5": BEST / CANDIDATES}
    for group in (SEEN, STYLE, COLOUR, CONCEPT):
        numbers = [number for number, prompt in enumerate(prompts) if prompt.group == group]
        if not numbers:
            continue
        shown = [prompts[number] for number in numbers]
        report["groups"][group] = {
            "prompts": len(numbers),
            **_ranked(judge.rank(rows[numbers], [prompt.concept for prompt in shown], settings.seed)),
            "the pictures themselves": _ceiling(shown, settings, pictures, judge),
        }
        sheet = out / f"{group.replace(' ', '-')}.png"
        texts = [f"{prompt.text} (seed {number})" for number, prompt in zip(numbers, shown, strict=True)]
        contact_sheet.write(sheet, [painted[number] for number in numbers], texts)
    report["style"] = _style(prompts, painted, settings, pictures)
    report["colour"] = _colour(settings, pictures, painter, out)
    report["copying"] = _copying(prompts, painted, rows, settings, pictures, judge)
    report["same seed, same picture"] = _is_repeatable(painter, prompts[:_SEED_PROMPTS], painted)
    if painter.control is not None:
        report["control"] = _control(settings, pictures, painter, out)
    report["earns its place"] = earns_its_place(report)
    (out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def earns_its_place(report: dict[str, Any]) -> bool:
    """Return whether all that can be measured holds; that most subjects are recognisable is for people to see."""
    groups = report["groups"]
    held_out = [groups[group] for group in (STYLE, COLOUR) if group in groups]
    count = sum(group["prompts"] for group in held_out)
    right = sum(group["top-5"] * group["prompts"] for group in held_out)
    return bool(
        measures.clearly_above(groups[SEEN]["top-5"], BEST / CANDIDATES, groups[SEEN]["prompts"])
        and count
        and measures.clearly_above(right / count, BEST / CANDIDATES, count)
        and measures.clearly_above(report["style"]["right"], report["style"]["chance"], report["style"]["pictures"])
        and measures.clearly_above(report["colour"]["right"], report["colour"]["chance"], report["colour"]["pictures"])
        and report["copying"]["copies of held-out prompts"] < 0.1
        and report["same seed, same picture"]
        and ("control" not in report or measures.clearly_above(report["control"]["followed"], 0.5, _CONTROLLED))
    )


def _ranked(places: Sequence[int]) -> dict[str, float]:
    return {
        "top-1": round(sum(place == 0 for place in places) / len(places), 3),
        "top-5": round(sum(place < BEST for place in places) / len(places), 3),
    }


def _ceiling(prompts: Sequence[JudgedPrompt], settings: Settings, pictures: Pictures, judge: Any) -> dict[str, float]:
    """Return how well the judge does on the real pictures of the same things."""
    shown = [(prompt, index) for prompt in prompts if (index := _picture_of(prompt, pictures)) is not None]
    real = [_real(index, settings, pictures, prompt.colour) for prompt, index in shown]
    return _ranked(judge.rank(judge.encode(real), [prompt.concept for prompt, _ in shown], settings.seed))


def _picture_of(prompt: JudgedPrompt, pictures: Pictures) -> int | None:
    for index, picture in enumerate(pictures.manifest.pictures):
        fits = picture.name == prompt.concept and prompt.style in ("", picture.style)
        if fits and (not prompt.colour or picture.hue is not None):
            return index
    return None


def _real(index: int, settings: Settings, pictures: Pictures, colour: str = "", mirrored: bool = False) -> Any:
    placed = Placed(index, 0.5, 0.5, phrases.SIZES[""], colour, mirrored)
    scene = Scene("plain", (placed,), "white", ("",))
    return PIL.Image.fromarray(render(scene, pictures, settings.data.side))


def _style(
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
                float(np.linalg.norm(row - measures.small(_real(index, settings, pictures, mirrored=mirrored))))
                for mirrored in (False, True)
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


def _colour(settings: Settings, pictures: Pictures, painter: Any, out: Path) -> dict[str, Any]:
    """Paint things in all colours and return how often the main colour of the picture is the one asked for."""
    drawn = sorted(
        {
            item.name
            for index, item in enumerate(pictures.manifest.pictures)
            if item.hue is not None and not pictures.manifest.is_hidden(index)
        }
    )
    chosen = random.Random(f"colours {settings.seed}").sample(drawn, min(8, len(drawn)))
    asked = [(name, colour) for name in chosen for colour in phrases.HUES]
    texts = [phrases.with_article(f"{colour} {name}") for name, colour in asked]
    painted = painter.paint(texts, [0] * len(texts))
    contact_sheet.write(out / "colours.png", painted, [f"{text} (seed 0)" for text in texts], columns=len(phrases.HUES))
    found = [measures.main_colour(image) == colour for image, (_, colour) in zip(painted, asked, strict=True)]
    hidden = set(pictures.manifest.hidden_colour_pairs)
    held_out = [value for value, pair in zip(found, asked, strict=True) if pair in hidden]
    return {
        "pictures": len(found),
        "right": round(sum(found) / max(1, len(found)), 3),
        "chance": round(1 / len(phrases.HUES), 3),
        "held-out pairs": len(held_out),
        "held-out right": round(sum(held_out) / max(1, len(held_out)), 3),
    }


def _control(settings: Settings, pictures: Pictures, painter: Any, out: Path) -> dict[str, Any]:
    """Paint along the edges of real pictures; return how often a picture has its own edges rather than another's."""
    visible = [index for index in range(len(pictures.manifest.pictures)) if not pictures.manifest.is_hidden(index)]
    chosen = random.Random(f"control {settings.seed}").sample(visible, _CONTROLLED)
    asked = [canny(np.asarray(_real(index, settings, pictures))) for index in chosen]
    maps = [PIL.Image.fromarray(edges).convert("RGB") for edges in asked]
    texts = [phrases.with_article(pictures.manifest.pictures[index].name) for index in chosen]
    painted = painter.paint_along(maps, texts, list(range(_CONTROLLED)))
    found = [canny(np.asarray(image)) for image in painted]
    own = [measures.covered(edges, image) for edges, image in zip(asked, found, strict=True)]
    others = [measures.covered(asked[number - 1], image) for number, image in enumerate(found)]
    both = [image for pair in zip(maps, painted, strict=True) for image in pair]
    contact_sheet.write(out / "control.png", both, [text for name in texts for text in ("edges", name)])
    return {
        "followed": sum(mine > other for mine, other in zip(own, others, strict=True)) / _CONTROLLED,
        "own edges covered": round(float(np.median(own)), 3),
        "another's edges covered": round(float(np.median(others)), 3),
    }


def _copying(
    prompts: Sequence[JudgedPrompt],
    painted: Sequence[PIL.Image.Image],
    rows: torch.Tensor,
    settings: Settings,
    pictures: Pictures,
    judge: Any,
) -> dict[str, Any]:
    """Return how far each picture is from the nearest training picture, in pixels and as the judge sees it."""
    scenes = training_scenes(pictures.manifest, settings.data, settings.seed)

    def training() -> Iterator[PIL.Image.Image]:
        return (PIL.Image.fromarray(render(scene, pictures, settings.data.side)) for scene in scenes)

    distances, _ = measures.nearest(
        np.stack([measures.small(image) for image in painted]), measures.in_chunks(training())
    )
    hidden = [index for index in range(len(pictures.manifest.pictures)) if pictures.manifest.is_hidden(index)]
    visible = [index for index in range(len(pictures.manifest.pictures)) if index not in hidden]
    known = judge.encode([_real(index, settings, pictures) for index in visible])
    cosines = (rows @ known.T).max(1).values.numpy()
    held_out = np.array([prompt.group != SEEN for prompt in prompts])
    real = np.stack([measures.small(_real(index, settings, pictures)) for index in hidden])
    between, _ = measures.nearest(real, measures.in_chunks(training()))
    return {
        "pixel distance of seen prompts": _quartiles(distances[~held_out]),
        "pixel distance of held-out prompts": _quartiles(distances[held_out]),
        "pixel distance of real held-out pictures": _quartiles(between),
        "judge's cosine of seen prompts": _quartiles(cosines[~held_out]),
        "judge's cosine of held-out prompts": _quartiles(cosines[held_out]),
        "copies of seen prompts": round(float((distances[~held_out] < _COPY_DISTANCE).mean()), 3),
        "copies of held-out prompts": round(float((distances[held_out] < _COPY_DISTANCE).mean()), 3),
        "pixel distances": {
            f"{prompt.text} ({number})": round(float(distances[number]), 4) for number, prompt in enumerate(prompts)
        },
    }


def _quartiles(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in np.quantile(values, [0.25, 0.5, 0.75])]


def _is_repeatable(painter: Any, prompts: Sequence[JudgedPrompt], painted: Sequence[PIL.Image.Image]) -> bool:
    """Return whether a seed gives the same picture again, and another seed another one.

    A batch of another size may round differently, so each is painted twice alone.
    """
    for number, prompt in enumerate(prompts):
        first, again, other = (painter.paint([prompt.text], [seed])[0].tobytes() for seed in (number, number, 10**6))
        if first != again or first == other or not painted[number].size:
            return False
    return True


if __name__ == "__main__":
    main()
