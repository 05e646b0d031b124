"""Judges a checkpoint on prompts that training showed and on held-out ones; says whether it earns its place.

Writes ``report.json`` and contact sheets with every picture painted, with the seeds 0, 1, 2 and so on, none left out;
the exit status is 1 if the checkpoint doesn't earn its place.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from training.starter_diffusion import checks, contact_sheet, judges, real_pictures, verdict
from training.starter_diffusion.configuration import Settings, read_settings
from training.starter_diffusion.evaluation_prompts import (
    COLOUR,
    CONCEPT,
    SEEN,
    STYLE,
    JudgedPrompt,
    judged_prompts,
)
from training.starter_diffusion.judges import Contest, PictureJudge, TextJudge
from training.starter_diffusion.painter import Painter
from training.starter_diffusion.pictures import Pictures

BLURS = (4, verdict.BLOB, 8, 12)
_SEED_PROMPTS = 2
_CALIBRATION = 128


@dataclass(frozen=True)
class Judges:
    """Who finds the things, and among which."""

    contest: Contest
    by_drawings: PictureJudge
    by_names: TextJudge


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
    os.environ["SENSORIUM_THREADS"] = str(arguments.threads)  # the judges would take all there are
    settings, pictures = read_settings(arguments.settings), Pictures(arguments.data)
    painter = Painter(arguments.checkpoint)
    report = evaluate(settings, pictures, painter, starter_judges(settings, pictures), arguments.out)
    print(json.dumps(report, indent=1))
    raise SystemExit(0 if report["earns its place"] else 1)


def starter_judges(settings: Settings, pictures: Pictures) -> Judges:
    """Return the judges with the starter's networks."""
    shown = pictures.manifest.pictures
    contest = Contest([picture.name for picture in shown], settings.seed)
    drawings = [real_pictures.drawn(index, settings, pictures) for index in range(len(shown))]
    usual = random.Random(f"drawings {settings.seed}").sample(drawings, min(_CALIBRATION, len(drawings)))
    return Judges(
        contest,
        PictureJudge(
            contest,
            judges.starter_shapes(),
            drawings,
            [picture.name for picture in shown],
            [picture.style for picture in shown],
        ),
        judges.starter_text_judge(contest, usual),
    )


def evaluate(settings: Settings, pictures: Pictures, painter: Any, judged_by: Judges, out: Path) -> dict[str, Any]:
    """Paint, measure, write everything into ``out``, and return the report.

    Args:
        settings: Of the scale.
        pictures: Its data set.
        painter: A `Painter`.
        judged_by: Finds the things.
        out: A folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    prompts = judged_prompts(pictures.manifest, settings)
    painted = painter.paint([prompt.text for prompt in prompts], list(range(len(prompts))))
    copying, nearest = checks.copying(prompts, painted, settings, pictures)
    _write_sheets(prompts, painted, nearest, out)
    report: dict[str, Any] = {
        "candidates": judged_by.contest.candidates,
        "chance": judged_by.contest.chance,
        "groups": _groups(prompts, painted, settings, pictures, judged_by),
        "style": checks.style(prompts, painted, settings, pictures),
        "colour": checks.colour(prompts, painted, settings, pictures, painter, out),
        "copying": copying,
        "same seed, same picture": checks.is_repeatable(painter, [prompt.text for prompt in prompts[:_SEED_PROMPTS]]),
    }
    if painter.control is not None:
        report["control"] = checks.control(settings, pictures, painter, out)
    report["conditions"] = verdict.conditions(report, f"top-{judged_by.contest.best}")
    report["earns its place"] = all(report["conditions"].values())
    (out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def _groups(
    prompts: Sequence[JudgedPrompt],
    painted: Sequence[PIL.Image.Image],
    settings: Settings,
    pictures: Pictures,
    judged_by: Judges,
) -> dict[str, Any]:
    """Return by group how often both judges find the things: as painted, in real pictures, and in blurred ones.

    Real pictures are compared with drawings of other styles than their own, blurred ones with all, as painted ones are.
    """
    manifest = pictures.manifest
    styles = [manifest.pictures[real_pictures.number_of(prompt, manifest)].style for prompt in prompts]
    real = [real_pictures.of_prompt(prompt, settings, pictures) for prompt in prompts]
    drawings, names = judged_by.by_drawings, judged_by.by_names
    places = {
        verdict.SHAPES: {
            verdict.PAINTED: drawings.places(painted, prompts),
            verdict.REAL: drawings.places(real, prompts, styles),
            **{
                verdict.blurred(pixels): drawings.places(
                    [real_pictures.blurred(image, pixels) for image in real], prompts
                )
                for pixels in BLURS
            },
        },
        verdict.NAMES: {verdict.PAINTED: names.places(painted, prompts), verdict.REAL: names.places(real, prompts)},
    }
    groups: dict[str, Any] = {}
    for group in (SEEN, STYLE, COLOUR, CONCEPT):
        numbers = [number for number, prompt in enumerate(prompts) if prompt.group == group]
        if numbers:
            groups[group] = {
                "prompts": len(numbers),
                **{
                    judge: {
                        whose: judged_by.contest.shares([found[number] for number in numbers])
                        for whose, found in rows.items()
                    }
                    for judge, rows in places.items()
                },
            }
    return groups


def _write_sheets(
    prompts: Sequence[JudgedPrompt],
    painted: Sequence[PIL.Image.Image],
    nearest: Sequence[PIL.Image.Image],
    out: Path,
) -> None:
    """Write what was painted for seen and for held-out prompts, and the latter beside the nearest training picture."""
    seen = [number for number, prompt in enumerate(prompts) if prompt.group == SEEN]
    held_out = [number for number, prompt in enumerate(prompts) if prompt.group != SEEN]
    for name, numbers in (("seen", seen), ("held-out", held_out)):
        texts = [f"{prompts[number].text} (seed {number})" for number in numbers]
        contact_sheet.write(out / f"{name}.webp", [painted[number] for number in numbers], texts)
    both = [image for number in held_out for image in (painted[number], nearest[number])]
    texts = [text for number in held_out for text in (f"{prompts[number].text} (seed {number})", "nearest in training")]
    contact_sheet.write(out / "held-out-nearest.webp", both, texts)


if __name__ == "__main__":
    main()
