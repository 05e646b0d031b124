"""The evaluation can pass and can fail: real pictures pass; blobs, noise and copies don't."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import torch

from tests.training.shapes import shape_settings
from training.starter_diffusion import measures, pictures, real_pictures, verdict
from training.starter_diffusion.build_data import hide
from training.starter_diffusion.configuration import Settings
from training.starter_diffusion.evaluate import Judges, evaluate
from training.starter_diffusion.evaluation_prompts import COLOUR, CONCEPT, SEEN, STYLE, JudgedPrompt, judged_prompts
from training.starter_diffusion.judges import Contest, PictureJudge, TextJudge, starter_shapes
from training.starter_diffusion.pictures import Picture, Pictures
from training.starter_diffusion.scenes import render, training_scenes

NAMES = tuple(f"{first}{last}" for first in ("bo", "di", "fu", "ka", "lo", "me") for last in ("ba", "ku", "mo", "ti"))
COLOURS = {"flat": "#e02020", "soft": "#f4a0a0", "dark": "#b81414"}
BEST = "top-5"


@pytest.fixture(scope="module")
def settings() -> Settings:
    styles = {style: [f"a {style} drawing of {{}}", f"{{}}, {style} style"] for style in COLOURS}
    return shape_settings(data={"side": 64, "sprite_side": 64, "scenes_per_picture": 2, "styles": styles})


@pytest.fixture(scope="module")
def data(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """24 things with an outline of their own, each in three styles."""
    sprites = [pictures.cut_out(_draw(name, style), 64) for name in NAMES for style in COLOURS]
    described = [
        Picture(name, style, pictures.single_hue(sprite), "red", "shapes@1.0.0", name, "Apache-2.0")
        for (name, style), sprite in zip(((n, s) for n in NAMES for s in COLOURS), sprites, strict=True)
    ]
    path = tmp_path_factory.mktemp("outlines") / "outlines.zip"
    pictures.write(path, hide(described, settings), sprites, 100)
    return Pictures(path)


def _draw(name: str, style: str) -> PIL.Image.Image:
    """Return a disc with patches that are too small for a blob to show."""
    chance = random.Random(name)
    image = PIL.Image.new("RGBA", (128, 128))
    pencil = PIL.ImageDraw.Draw(image)
    pencil.ellipse((2, 2, 126, 126), fill=COLOURS[style])
    for _ in range(12):
        x, y, width, height = (chance.randint(*span) for span in ((24, 92), (24, 92), (6, 24), (6, 24)))
        pencil.rectangle((x, y, x + width, y + height), fill="#200808")
    return image


class Paints:
    """Paints each prompt by what a function makes of the real picture, with a grain so that no two are alike."""

    control = None

    def __init__(
        self, settings: Settings, data: Pictures, change: Callable[[PIL.Image.Image], PIL.Image.Image] = lambda i: i
    ) -> None:
        self._settings, self._data, self._change = settings, data, change
        self._prompts = {prompt.text: prompt for prompt in judged_prompts(data.manifest, settings)}

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[PIL.Image.Image]:
        return [self._one(text, seed) for text, seed in zip(prompts, seeds, strict=True)]

    def _one(self, text: str, seed: int) -> PIL.Image.Image:
        prompt = self._prompts.get(text)
        if prompt is None:
            _, colour, name = text.split()
            prompt = JudgedPrompt(text, name, "", colour, "")
        pixels = np.asarray(self._change(real_pictures.of_prompt(prompt, self._settings, self._data)))
        grain = np.random.default_rng(seed).integers(0, 8, pixels.shape, np.uint8)
        return PIL.Image.fromarray(pixels - np.minimum(pixels, grain))


def _outlines(images: Sequence[PIL.Image.Image]) -> torch.Tensor:
    """Return rows that say where a picture is darker than close by: what a blob doesn't have."""
    rows = []
    for image in images:
        grey = image.convert("L")
        around = real_pictures.blurred(grey, 3 * verdict.BLOB)
        rows.append((np.asarray(grey, np.float32) - np.asarray(around, np.float32)).flatten())
    return torch.nn.functional.normalize(torch.from_numpy(np.stack(rows)), dim=-1)


def _judges(settings: Settings, data: Pictures, encode: Callable[..., torch.Tensor]) -> Judges:
    shown = data.manifest.pictures
    drawings = [real_pictures.drawn(index, settings, data) for index in range(len(shown))]
    names, styles = [picture.name for picture in shown], [picture.style for picture in shown]
    contest = Contest(names, settings.seed)
    texts = _outlines([drawings[names.index(name)] for name in contest.names])
    return Judges(
        contest,
        PictureJudge(contest, encode, drawings, names, styles),
        TextJudge(contest, _outlines, texts, drawings),
    )


@pytest.fixture(scope="module")
def judged_by(settings: Settings, data: Pictures) -> Judges:
    return _judges(settings, data, _outlines)


@pytest.fixture(scope="module")
def good(settings: Settings, data: Pictures, judged_by: Judges, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("good")
    report = evaluate(settings, data, Paints(settings, data), judged_by, out)
    assert report == json.loads((out / "report.json").read_text(encoding="utf-8"))
    for sheet in ("seen", "held-out", "held-out-nearest", "colours"):
        with PIL.Image.open(out / f"{sheet}.webp") as image:
            assert image.width > 64
    return report


def test_real_pictures_earn_their_place(good: Any, settings: Settings, data: Pictures) -> None:
    assert good["earns its place"], json.dumps(good["conditions"], indent=1)
    assert set(good["groups"]) == {SEEN, STYLE, COLOUR, CONCEPT}
    assert good["chance"] == {"top-1": 0.05, BEST: 0.25}
    assert len(good["copying"]["pixel distances"]) == len(judged_prompts(data.manifest, settings))


def test_blobs_of_the_right_colours_do_not(
    good: Any, settings: Settings, data: Pictures, judged_by: Judges, tmp_path: Path
) -> None:
    painter = Paints(settings, data, lambda image: real_pictures.blurred(image, verdict.BLOB))
    bad = evaluate(settings, data, painter, judged_by, tmp_path)
    assert not bad["earns its place"]
    assert bad["conditions"][f"the colour asked for shows: {COLOUR}"]
    recognised = [value for words, value in bad["conditions"].items() if words.startswith("things are recognised")]
    assert recognised == [False] * 3


def test_other_shapes_in_the_right_colours_do_not(
    settings: Settings, data: Pictures, judged_by: Judges, tmp_path: Path
) -> None:
    bad = evaluate(settings, data, Paints(settings, data, lambda image: image.rotate(90)), judged_by, tmp_path)
    assert not bad["earns its place"]


def test_training_pictures_for_held_out_prompts_are_found_as_copies(
    settings: Settings, data: Pictures, judged_by: Judges, tmp_path: Path
) -> None:
    scene = next(scene for scene in training_scenes(data.manifest, settings.data, settings.seed))
    copied = PIL.Image.fromarray(render(scene, data, 64))

    class Copies(Paints):
        def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[PIL.Image.Image]:
            return [copied] * len(prompts)

    report = evaluate(settings, data, Copies(settings, data), judged_by, tmp_path)
    assert report["copying"]["copies of held-out prompts"] == 1
    assert not report["conditions"]["held-out prompts give no copies"]
    assert not report["conditions"]["the same seed gives the same picture"]  # whatever the seed: no sign of a seed


@pytest.mark.parametrize(
    ("path", "worse", "failing"),
    [
        (("groups", SEEN, verdict.SHAPES, verdict.PAINTED, BEST), 0.3, "drawings"),
        (("groups", STYLE, verdict.SHAPES, verdict.PAINTED, BEST), 0.3, "drawings"),
        (("groups", COLOUR, verdict.SHAPES, verdict.PAINTED, BEST), 0.3, "drawings"),
        (("groups", SEEN, verdict.SHAPES, verdict.blurred(verdict.BLOB), BEST), 1.0, "blobs"),
        (("style", "right"), 0.3, "style"),
        (("colour", "seen", "right"), 0.1, "colour"),
        (("colour", COLOUR, "right"), 0.1, "colour"),
        (("copying", "copies of held-out prompts"), 0.5, "copies"),
        (("same seed, same picture",), False, "seed"),
        (("control",), {"pictures": 16, "followed": 0.5}, "edges"),
    ],
)
def test_one_failure_is_enough(good: Any, path: tuple[str, ...], worse: Any, failing: str) -> None:
    report = copy.deepcopy(good)
    part = report
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = worse
    failed = [words for words, holds in verdict.conditions(report, BEST).items() if not holds]
    assert len(failed) == 1
    assert failing in failed[0]


def test_names_count_only_where_real_pictures_would_pass(good: Any) -> None:
    report = copy.deepcopy(good)
    for group in report["groups"].values():
        group[verdict.NAMES][verdict.PAINTED][BEST] = 0.2
    assert [words for words, holds in verdict.conditions(report, BEST).items() if not holds] == [
        "names are recognised, above chance: all prompts"
    ]
    for group in report["groups"].values():
        group[verdict.NAMES][verdict.REAL][BEST] = 0.3
    assert all(verdict.conditions(report, BEST).values())


def test_the_starter_sees_shapes_and_not_colours(settings: Settings, data: Pictures) -> None:
    judge = _judges(settings, data, starter_shapes()).by_drawings
    prompts = [prompt for prompt in judged_prompts(data.manifest, settings) if prompt.group in (SEEN, STYLE)]
    real = [real_pictures.of_prompt(prompt, settings, data) for prompt in prompts]
    without = [prompt.style for prompt in prompts]
    seen, blobs, chance = (
        np.mean([place < 5 for place in places])
        for places in (
            judge.places(real, prompts, without),
            judge.places([real_pictures.blurred(image, 4) for image in real], prompts),
            judge.places([PIL.Image.new("RGB", (64, 64), "#e02020")] * len(real), prompts),
        )
    )
    assert seen > 0.9
    assert blobs < 0.5
    assert chance < 0.5


def test_the_contest_is_the_same_for_all_who_paint_a_prompt() -> None:
    contest, prompt = Contest(NAMES, 1), JudgedPrompt("a boku", "boku", "", "", SEEN)
    field = contest.field(prompt)
    assert field == Contest(NAMES[::-1], 1).field(prompt)
    assert field[0] == "boku"
    assert len(set(field)) == contest.candidates == 20
    assert field != Contest(NAMES, 2).field(prompt)
    assert contest.shares([0, 4, 5, 19]) == {"top-1": 0.25, BEST: 0.5}


def test_a_drawing_does_not_meet_itself(settings: Settings, data: Pictures) -> None:
    """Leaving a style out leaves it out for all candidates."""
    contest = Contest(["here", "there"], 1, candidates=2, best=1)
    one, other = (real_pictures.drawn(index, settings, data) for index in (0, 30))
    alike = one.copy()
    alike.paste("white", (20, 20, 30, 30))
    judge = PictureJudge(contest, _outlines, [one, other, alike], ["here", "here", "there"], ["flat", "soft", "soft"])
    prompt = JudgedPrompt("here", "here", "flat", "", SEEN)
    assert judge.places([one], [prompt]) == [0]
    assert judge.places([one], [prompt], ["flat"]) == [1]


# --- measures ---


def test_copies_are_found(settings: Settings, data: Pictures) -> None:
    scenes = training_scenes(data.manifest, settings.data, settings.seed)[:40]
    images = [PIL.Image.fromarray(render(scene, data, 64)) for scene in scenes]
    distances, which = measures.nearest(np.stack([measures.small(images[7])]), measures.in_chunks(images))
    assert distances[0] == pytest.approx(0, abs=1e-3)
    assert np.array_equal(np.asarray(images[which[0]]), np.asarray(images[7]))


@pytest.mark.parametrize(("share", "count", "clear"), [(0.25, 100, False), (0.35, 30, False), (0.6, 60, True)])
def test_clearly_above_chance(share: float, count: int, clear: bool) -> None:
    assert measures.clearly_above(share, 0.25, count) is clear
