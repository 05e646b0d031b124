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
from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.prompts.tokens import count_tokens
from tests.checkpoints.diffusion import tiny_stable_diffusion, tiny_stable_diffusion_3
from tests.checkpoints.full_structure import full_stable_diffusion
from tests.checkpoints.single_file import original_autoencoder, write_single_file
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


@pytest.fixture(scope="module")
def other_autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion with other weights: its autoencoder fits, and paints other pixels."""
    return tiny_stable_diffusion(tmp_path_factory.mktemp("vae") / "other", seed=9)


def _reference(folder: Path, vae: Any) -> PIL.Image.Image:
    import diffusers

    loader: Any = diffusers.StableDiffusionPipeline
    pipeline = loader.from_pretrained(folder, vae=vae, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    image: PIL.Image.Image = pipeline(
        PROMPT, num_inference_steps=2, **SIZE, generator=torch.Generator().manual_seed(SEED)
    ).images[0]
    return image


def test_another_autoencoder(
    stable_diffusion: Path, painter: TextToImage, other_autoencoder: Path, tmp_path: Path, parity: Parity
) -> None:
    import diffusers
    from safetensors.torch import load_file, save_file

    inside = other_autoencoder / "vae"
    loader: Any = diffusers.AutoencoderKL
    expected = _reference(stable_diffusion, loader.from_pretrained(inside))
    own = painted(painter)
    assert own.tobytes() != expected.tobytes()
    weights = load_file(inside / "diffusion_pytorch_model.safetensors")
    file, new_names = tmp_path / "vae-ft-mse.safetensors", tmp_path / "new.safetensors"
    save_file({name: value.contiguous() for name, value in original_autoencoder(weights).items()}, file)
    save_file(weights, new_names)
    for named in (inside, other_autoencoder, file, new_names):
        with TextToImage(stable_diffusion, vae=named) as replaced:
            picture = replaced.generate(PROMPT, steps=2, seed=SEED, **SIZE)[0]
            assert picture.tobytes() == expected.tobytes()
            assert picture.settings.options == {"vae": named.stem}
    # The painter that others use meanwhile keeps its own.
    assert painted(painter).tobytes() == own.tobytes()
    parity("Stable Diffusion 1.5 with another autoencoder: folder, file", "from_pretrained(vae=…)", "the same pixels")


def test_an_autoencoder_in_place_of_that_of_a_single_file(
    other_autoencoder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = full_stable_diffusion(tmp_path / "parts")
    file = write_single_file(parts, tmp_path / "dream.safetensors")
    other = full_stable_diffusion(tmp_path / "other", seed=4)
    with TextToImage(file, vae=other / "vae") as mine, TextToImage(parts, vae=other) as same:
        assert painted(mine).tobytes() == painted(same).tobytes()


def test_an_autoencoder_of_another_family(whole: Path, stable_diffusion: Path, other_autoencoder: Path) -> None:
    with refused(InputError, "sd3", "latent channels", "4", "16"):
        TextToImage(whole, vae=other_autoencoder).load()
    with refused(InputError, "scheduler", "autoencoder"):
        TextToImage(stable_diffusion, vae=whole / "scheduler").load()
    with refused(InputError, "text_encoder", "autoencoder", "AutoencoderKL"):
        TextToImage(stable_diffusion, vae=whole / "text_encoder").load()
    with refused(InputError, "other", "base"):
        TextToImage(other_autoencoder, base=whole).load()
    with refused(ModelUnavailableError, "absent.safetensors"):
        TextToImage(stable_diffusion, vae=whole / "absent.safetensors")
