"""Painters that are one safetensors file: the same pixels as diffusers' own way to open them, or a refusal."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file

from sensorium import TextToImage
from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.checkpoints.single_file_configuration import configuration_of
from sensorium.models.single_file import read_weights_file
from tests.checkpoints.full_structure import (
    full_stable_diffusion,
    full_stable_diffusion_2,
    full_stable_diffusion_xl,
)
from tests.checkpoints.single_file import write_single_file
from tests.refusals import refused

NEGATIVE, SEED, STEPS, SIDE = "a dog", 7, 2, 64
FAMILIES: dict[str, tuple[Callable[[Path], Path], str, float]] = {
    "Stable Diffusion 1": (full_stable_diffusion, "StableDiffusionPipeline", 7.5),
    "Stable Diffusion 2": (full_stable_diffusion_2, "StableDiffusionPipeline", 7.5),
    "Stable Diffusion XL": (full_stable_diffusion_xl, "StableDiffusionXLPipeline", 5.0),
}
_LAST_BITS = 1
"""Weights that safetensors leaves in the file's own memory can lie at odd addresses, where products round otherwise."""
PUBLISHED = {
    "unet": ("sample_size", "attention_head_dim", "upcast_attention", "use_linear_projection", "cross_attention_dim"),
    "vae": ("scaling_factor", "force_upcast", "block_out_channels", "layers_per_block"),
    "scheduler": ("_class_name", "prediction_type", "steps_offset", "beta_start", "beta_end", "beta_schedule"),
    "text_encoder": ("hidden_act", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
}
"""Settings that must come out as the published ones."""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """Name, folder in diffusers' layout, and the same as one file."""
    folder = FAMILIES[request.param][0](tmp_path_factory.mktemp("single") / "parts")
    return request.param, folder, write_single_file(folder, folder.parent / "whole" / "dream_8.safetensors")


def painted(painter: TextToImage) -> PIL.Image.Image:
    image: PIL.Image.Image = painter.generate(
        "a red cat, 4k", negative_prompt=NEGATIVE, seed=SEED, steps=STEPS, width=SIDE, height=SIDE
    )[0]
    return image


def largest_difference(one: PIL.Image.Image, other: PIL.Image.Image) -> int:
    return int(numpy.abs(numpy.asarray(one, int) - numpy.asarray(other, int)).max())


def test_the_pixels_are_those_of_diffusers(family: tuple[str, Path, Path]) -> None:
    import diffusers

    name, folder, file = family
    _, class_name, guidance = FAMILIES[name]
    theirs = getattr(diffusers, class_name).from_single_file(str(file), config=str(folder), local_files_only=True)
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(
        "a red cat, 4k",
        negative_prompt=NEGATIVE,
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        width=SIDE,
        height=SIDE,
        generator=torch.Generator().manual_seed(SEED),
    ).images[0]
    with TextToImage(file) as painter:
        mine = painted(painter)
        assert painter.model == "dream_8"
    assert largest_difference(mine, expected) <= _LAST_BITS
    assert numpy.asarray(expected).std() > 4


def test_its_configuration_is_the_published_one(family: tuple[str, Path, Path]) -> None:
    _, folder, file = family
    with configuration_of(read_weights_file(file)) as made:
        for part, names in PUBLISHED.items():
            name = "scheduler_config.json" if part == "scheduler" else "config.json"
            mine, published = (json.loads((where / part / name).read_text()) for where in (made, folder))
            heads = {"attention_head_dim": 1} if mine.get("_class_name") == "UNet2DConditionModel" else {}
            assert {n: _plain(mine[n]) for n in names if n in mine or n in heads} == {
                n: _plain(published[n]) for n in names if n in mine or n in heads
            }


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(set(value)) == 1 else value


def test_clip_reads_as_it_was_trained(stable_file: Path) -> None:
    from transformers import CLIPTokenizer

    with configuration_of(read_weights_file(stable_file)) as made:
        tokenizer = CLIPTokenizer.from_pretrained(made / "tokenizer")
    # The ids that CLIP's own program gives.
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert len(tokenizer) == 49408


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_stable_diffusion(tmp_path_factory.mktemp("stable") / "parts", seed=2)


@pytest.fixture(scope="module")
def stable_file(stable: Path) -> Path:
    return write_single_file(stable, stable.parent / "dream.safetensors")


def test_half_precision_and_whole_training_states_open(stable: Path, stable_file: Path, tmp_path: Path) -> None:
    tensors = load_file(stable_file)
    half = {n: v.half() if v.is_floating_point() else v for n, v in tensors.items()}
    averages = {
        "model_ema." + n.removeprefix("model.").replace(".", ""): v * 2 for n, v in half.items() if "diffusion" in n
    }
    file = tmp_path / "half.safetensors"
    save_file(half | averages, file)
    with TextToImage(file) as painter, TextToImage(stable) as whole:
        assert largest_difference(painted(painter), painted(whole)) < 8


def test_the_two_kinds_of_stable_diffusion_2_are_told_apart(tmp_path: Path) -> None:
    for velocity, side in ((True, 96), (False, 64)):
        parts = full_stable_diffusion_2(tmp_path / f"parts-{velocity}", velocity=velocity)
        file = write_single_file(parts, tmp_path / f"{velocity}.safetensors")
        with configuration_of(read_weights_file(file)) as made:
            scheduler = json.loads((made / "scheduler" / "scheduler_config.json").read_text())
            unet = json.loads((made / "unet" / "config.json").read_text())
        assert scheduler["prediction_type"] == ("v_prediction" if velocity else "epsilon")
        assert unet["sample_size"] == side


def test_xl_with_velocity_says_so(tmp_path: Path, stable_file: Path) -> None:
    # The names that those who train XL this way put into their files.
    marks = {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}
    file = tmp_path / "velocity.safetensors"
    save_file(load_file(stable_file) | marks, file)
    with configuration_of(read_weights_file(file)) as made:
        scheduler = json.loads((made / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == "v_prediction"
    assert scheduler["rescale_betas_zero_snr"]


def test_for_inpainting(tmp_path: Path, cat: PIL.Image.Image, mask: PIL.Image.Image) -> None:
    parts = full_stable_diffusion(tmp_path / "parts", in_channels=9)
    file = write_single_file(parts, tmp_path / "inpainting.safetensors")
    small, hole = cat.resize((SIDE, SIDE)), mask.resize((SIDE, SIDE))
    with TextToImage(file) as painter, TextToImage(parts) as whole:
        mine, expected = (each.inpaint(small, hole, "a dog", seed=SEED, steps=STEPS)[0] for each in (painter, whole))
        with refused(UnsupportedError, "text-to-image", "inpainting"):
            painted(painter)
    assert largest_difference(mine, expected) <= _LAST_BITS


def test_what_is_incomplete_is_refused(stable_file: Path, tmp_path: Path) -> None:
    tensors = load_file(stable_file)
    cases = {
        "without-vae": [name for name in tensors if name.startswith("first_stage_model.")],
        "without-text": [name for name in tensors if name.startswith("cond_stage_model.")],
    }
    for name, left_out in cases.items():
        file = tmp_path / f"{name}.safetensors"
        save_file({n: v for n, v in tensors.items() if n not in left_out}, file)
        with refused(UnsupportedError, name, "autoencoder" if "vae" in name else "text encoder"):
            TextToImage(file).load()
    one = "model.diffusion_model.input_blocks.4.1.norm.weight"
    save_file({n: v for n, v in tensors.items() if n != one}, tmp_path / "hole.safetensors")
    with refused(ModelUnavailableError, "hole.safetensors"):
        TextToImage(tmp_path / "hole.safetensors").load()
    more = {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn3.to_k.weight": torch.ones(4, 4)}
    save_file(tensors | more, tmp_path / "unusual.safetensors")
    with refused(UnsupportedError, "unusual"):
        TextToImage(tmp_path / "unusual.safetensors").load()


def test_what_is_cut_off_or_a_pickle_is_refused(stable_file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(stable_file.read_bytes()[:-1000])
    with refused(ModelUnavailableError, "cut.safetensors"):
        TextToImage(cut)
    (tmp_path / "no.safetensors").write_bytes(b"<html>Not found</html>")
    with refused(ModelUnavailableError, "no.safetensors"):
        TextToImage(tmp_path / "no.safetensors")
    with refused(ModelUnavailableError, "absent.safetensors"):
        TextToImage(str(tmp_path / "absent.safetensors"))
    folder = tmp_path / "old"
    folder.mkdir()
    old = folder / "old.ckpt"
    old.write_bytes(pickle.dumps({"state_dict": {}}))
    with refused(ModelUnavailableError, "old.ckpt", "pickle", "safetensors"):
        TextToImage(old)
    with refused(ModelUnavailableError, "old.ckpt", "pickle", "safetensors"):
        TextToImage(folder).load()


def test_a_folder_with_several_asks_for_one(stable_file: Path, tmp_path: Path) -> None:
    shutil.copy(stable_file, tmp_path / "one.safetensors")
    with TextToImage(tmp_path) as painter:
        assert painter.model == tmp_path.name
    shutil.copy(stable_file, tmp_path / "two.safetensors")
    with refused(ModelUnavailableError, "2", "one.safetensors"):
        TextToImage(tmp_path).load()
    assert TextToImage(tmp_path / "two.safetensors").model == "two"
