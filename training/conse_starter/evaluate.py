"""Judges the starter encoder on cut-out photographs: ``python training/conse_starter/evaluate.py``.

The pictures are Debian's ``tuxpaint-stamps-default``: animals, food, plants and things, each with a line of text. They
took no part in the building, and are only fetched, never shipped. Drawings are left out: they have few colours.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from debian import open_package
from PIL import Image

from sensorium import CLIP
from sensorium.vision_language.people import PeopleDetector

LEFT_OUT = re.compile("symbols/|cartoon|roadsigns|flags|outline")
FEWEST_COLOURS, SMALLEST_SIDE = 1200, 60
BROAD = {
    "animals/amphibians/": "frog",
    "animals/birds/": "bird",
    "animals/fish/": "fish",
    "animals/insects/": "insect",
    "animals/mammals/apes/": "monkey",
    "animals/mammals/bears/": "bear",
    "animals/mammals/bovines/": "cattle",
    "animals/mammals/camel/": "camel",
    "animals/mammals/cats/": "wild cat",
    "animals/mammals/deer/": "deer",
    "animals/mammals/equines/": "horse",
    "food/fruit/": "fruit",
    "food/vegetables/": "vegetable",
    "hobbies/music/": "musical instrument",
    "household/tools/": "tool",
    "plants/flowers/": "flower",
    "plants/mushrooms/": "mushroom",
    "plants/trees/": "tree",
    "space/planets/": "planet",
    "vehicles/": "vehicle",
}
PEOPLE = re.compile("fireman|paratrooper|final-roll-call|spacewalk")
DOLLS = re.compile("toys/")


@dataclass(frozen=True)
class CutOut:
    """A photograph cut out and laid on white, where it lay, and what it shows."""

    path: str
    image: Image.Image
    exact: str


def main() -> None:
    """Fetch the pictures and print the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        files = open_package("tuxpaint-stamps-default", Path(temporary)) / "usr/share/tuxpaint/stamps"
        cut_outs = [item for path in sorted(files.rglob("*.png")) if (item := read(path, files)) is not None]
    print(f"{len(cut_outs)} cut-out photographs")
    with CLIP("conse-starter") as clip:
        rows = clip.encode_image([item.image for item in cut_outs])
        exact = [index for index, item in enumerate(cut_outs) if len(item.exact.split()) <= 4]
        judge(clip, "exact", rows[exact], [cut_outs[index].exact for index in exact])
        broad = {index: broad_label(item.path) for index, item in enumerate(cut_outs)}
        known = [index for index, label in broad.items() if label]
        judge(clip, "broad", rows[known], [broad[index] for index in known])
    with PeopleDetector() as detector:
        found = {item.path: bool(detector.detect(item.image)) for item in cut_outs if not DOLLS.search(item.path)}
    people = [path for path in found if PEOPLE.search(path)]
    others = [path for path in found if not PEOPLE.search(path)]
    print(f"people found in {sum(found[path] for path in people)} of {len(people)}")
    print(f"people claimed in {sum(found[path] for path in others)} of {len(others)} without")


def judge(clip: CLIP, name: str, rows: torch.Tensor, shown: list[str]) -> None:
    """Print how often the right label is the best, among the five best, and how well a label finds its pictures."""
    labels = sorted(set(shown))
    right = torch.tensor([labels.index(label) for label in shown])
    cosines = rows @ clip.encode_text(labels).T
    best = cosines.topk(5).indices == right.unsqueeze(-1)
    found = [bool((right[cosines[:, index].topk(5).indices] == index).any()) for index in range(len(labels))]
    print(
        f"{name}: {len(labels)} labels, {len(shown)} pictures: top-1 {best[:, 0].float().mean():.2f}, "
        f"top-5 {best.any(-1).float().mean():.2f}, "
        f"a right picture among the five nearest to a label {sum(found) / len(found):.2f}"
    )


def read(path: Path, files: Path) -> CutOut | None:
    """Return a picture on white with its description; None for drawings and for what has no description."""
    name, text = str(path.relative_to(files)), path.with_suffix(".txt")
    if LEFT_OUT.search(name) or not text.exists():
        return None
    image = Image.open(path).convert("RGBA")
    pixels = np.asarray(image)
    colours = np.unique(pixels[pixels[..., 3] > 128][:, :3] // 4, axis=0)
    if len(colours) < FEWEST_COLOURS or min(image.size) < SMALLEST_SIDE:
        return None
    side = round(1.1 * max(image.size))
    paper = Image.new("RGBA", (side, side), "white")
    paper.alpha_composite(image, ((side - image.width) // 2, (side - image.height) // 2))
    sentence = re.split(r"[.!(—,]", text.read_text(encoding="utf-8").splitlines()[0])[0].strip()
    return CutOut(name, paper.convert("RGB"), re.sub(r"^(an?|the|two) ", "", sentence, flags=re.IGNORECASE))


def broad_label(path: str) -> str:
    """Return the label of a picture's folder, or "" if the folder has none."""
    return next((label for folder, label in BROAD.items() if path.startswith(folder)), "")


if __name__ == "__main__":
    main()
