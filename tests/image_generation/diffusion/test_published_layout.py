"""Stable Diffusion in the files of 2022, as the hub has them: other names of weights, tokenizers, older settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import PIL.Image
import pytest

from sensorium import TextToImage
from sensorium.image_generation.prompts.tokens import count_tokens
from tests.checkpoints.diffusion import set_safety_thresholds
from tests.checkpoints.published import as_published_in_2022


@pytest.fixture(scope="module")
def published(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_published_in_2022(Path(shutil.copytree(stable_diffusion, tmp_path_factory.mktemp("hub") / "published")))


def test_the_same_pictures(published: Path, painter: TextToImage, cat: PIL.Image.Image) -> None:
    with TextToImage(published) as old:
        for pictures in zip(*(t.generate("a red cat", "a dog", steps=3, seed=1) for t in (old, painter)), strict=True):
            assert pictures[0].tobytes() == pictures[1].tobytes()
        edited = [t.img2img(cat, "a red cat", steps=3, seed=1)[0] for t in (old, painter)]
        assert edited[0].tobytes() == edited[1].tobytes()
        assert edited[0].settings.safety == "ok"


def test_the_same_tokens(published: Path, stable_diffusion: Path) -> None:
    prompt = "Two (red:1.3) cats, it's 7 o'clock " * 12
    old, new = (count_tokens(prompt, folder).counts[0] for folder in (published, stable_diffusion))
    assert (old.tokens, old.window, old.beyond) == (new.tokens, new.window, new.beyond)


def test_its_safety_checker_looks(published: Path, tmp_path: Path) -> None:
    flags_all = Path(shutil.copytree(published, tmp_path / "flags-all"))
    set_safety_thresholds(flags_all, -1.0)
    with TextToImage(flags_all) as strict:
        assert strict.generate("a cat", steps=1).flagged == [True]
