"""Painters without some of their parts, or with parts from elsewhere: the same pixels as diffusers, or a refusal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import TextToImage
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.prompts.tokens import count_tokens
from tests.checkpoints.diffusion import tiny_stable_diffusion_3
from tests.refusals import refused

Parity = Callable[[str, str, str], None]

PROMPT, SEED = "a red cat", 5
SIZE: dict[str, Any] = {"width": 64, "height": 64}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stable_diffusion_3(tmp_path_factory.mktemp("parts") / "sd3")


@pytest.fixture(scope="module")
def without_t5(whole: Path) -> Path:
    """What ``save_pretrained`` writes of a pipeline that was opened without T5: ``[null, null]``."""
    import diffusers

    folder = whole.with_name("sd3-without-t5")
    pipeline: Any = diffusers.StableDiffusion3Pipeline
    pipeline.from_pretrained(whole, text_encoder_3=None, tokenizer_3=None).save_pretrained(folder)
    assert not (folder / "text_encoder_3").exists()
    return folder


@pytest.fixture(scope="module")
def expected(whole: Path) -> PIL.Image.Image:
    import diffusers

    loader: Any = diffusers.StableDiffusion3Pipeline
    pipeline = loader.from_pretrained(whole, text_encoder_3=None, tokenizer_3=None)
    pipeline.set_progress_bar_config(disable=True)
    image: PIL.Image.Image = pipeline(
        PROMPT, num_inference_steps=2, guidance_scale=7.0, **SIZE, generator=torch.Generator().manual_seed(SEED)
    ).images[0]
    return image


def painted(painter: TextToImage, prompt: str = PROMPT) -> PIL.Image.Image:
    image: PIL.Image.Image = painter.generate(prompt, steps=2, seed=SEED, **SIZE)[0]
    return image


def test_a_pipeline_saved_without_t5(without_t5: Path, expected: PIL.Image.Image, parity: Parity) -> None:
    with TextToImage(without_t5) as painter:
        assert painted(painter).tobytes() == expected.tobytes()
        # CLIP alone reads the prompt now: nothing may go unread silently.
        with refused(InputError, "too long"):
            painted(painter, "a red cat on a house " * 20)
    assert count_tokens(PROMPT, without_t5).counts[-1].tokenizer == "tokenizer_2"
    parity("Stable Diffusion 3 saved without T5", "StableDiffusion3Pipeline, text_encoder_3=None", "the same pixels")


def test_leaving_t5_out(whole: Path, expected: PIL.Image.Image, parity: Parity, tmp_path: Path) -> None:
    shutil.rmtree(shutil.copytree(whole, tmp_path / "sd3") / "text_encoder_3")
    with TextToImage(whole) as painter, TextToImage(tmp_path / "sd3", without=["text_encoder_3"]) as lean:
        picture = lean.generate(PROMPT, steps=2, seed=SEED, **SIZE)[0]
        assert picture.tobytes() == expected.tobytes()
        assert painted(painter).tobytes() != expected.tobytes()
        assert picture.settings.options == {"without": ["text_encoder_3"]}
        assert lean.paint_again(picture.settings).tobytes() == expected.tobytes()
        with refused(UnsupportedError, "without", "text_encoder_3"):
            painter.paint_again(picture.settings)
    parity("Stable Diffusion 3 --without text_encoder_3", "StableDiffusion3Pipeline, text_encoder_3=None", "the same")


def test_what_cannot_be_left_out(whole: Path, stable_diffusion: Path) -> None:
    with refused(InputError, "transformer", "text_encoder_3"):
        TextToImage(whole, without=["transformer"])
    with refused(InputError, "text_encoder_3", "unet"):
        TextToImage(stable_diffusion, without=["text_encoder_3"]).load()
    with TextToImage(stable_diffusion, without=["safety_checker"]) as unchecked:
        assert unchecked.generate(PROMPT, steps=1)[0].settings.safety == "not checked"
