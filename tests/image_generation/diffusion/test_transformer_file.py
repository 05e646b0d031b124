"""FLUX and Stable Diffusion 3 from one file, safetensors or GGUF, whole or as a denoiser that needs a base."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file

from sensorium import TextToImage
from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.models.single_file import read_weights_file
from tests.checkpoints.diffusion import tiny_stable_diffusion
from tests.checkpoints.full_structure import full_flux, full_stable_diffusion_3
from tests.checkpoints.transformer_file import write_gguf, write_transformer, write_whole_file
from tests.refusals import refused

Parity = Callable[[str, str, str], None]

PROMPT, SEED, STEPS = "a red cat", 5, 2
SIZE: dict[str, Any] = {"width": 64, "height": 64}
HEAD = 128
_LAST_BITS = 1
"""Weights in the file's own memory can lie at odd addresses, where products round otherwise."""


@pytest.fixture(scope="module", autouse=True)
def narrow_flux() -> Iterator[None]:
    """Let diffusers' converter of FLUX files take a narrow one: the width of the published ones is written into it."""
    from diffusers.loaders import single_file_utils

    convert: Any = single_file_utils.convert_flux_transformer_checkpoint_to_diffusers
    code = convert.__code__
    assert 3072 in code.co_consts
    convert.__code__ = code.replace(co_consts=tuple(HEAD if each == 3072 else each for each in code.co_consts))
    yield
    convert.__code__ = code


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_flux(tmp_path_factory.mktemp("flux") / "flux-dev")


@pytest.fixture(scope="module")
def schnell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another FLUX, without guidance."""
    return full_flux(tmp_path_factory.mktemp("schnell") / "flux-schnell", guidance=False, seed=3)


@pytest.fixture(scope="module", params=["3", "3.5"])
def stable_diffusion_3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_stable_diffusion_3(tmp_path_factory.mktemp("sd3") / "sd3", newer=request.param == "3.5")


def painted(painter: TextToImage) -> PIL.Image.Image:
    image: PIL.Image.Image = painter.generate(PROMPT, steps=STEPS, seed=SEED, **SIZE)[0]
    return image


def difference(one: PIL.Image.Image, other: PIL.Image.Image) -> int:
    pixels = numpy.asarray(other, int)
    assert pixels.std() > 4
    return int(numpy.abs(numpy.asarray(one, int) - pixels).max())


def reference(folder: Path, class_name: str, guidance: float, **parts: Any) -> PIL.Image.Image:
    import diffusers

    pipeline = getattr(diffusers, class_name).from_pretrained(folder, **parts)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(SEED)
    image: PIL.Image.Image = pipeline(
        PROMPT, num_inference_steps=STEPS, guidance_scale=guidance, **SIZE, generator=generator
    ).images[0]
    return image


def test_flux_as_a_denoiser_with_a_base(flux: Path, schnell: Path, tmp_path: Path, parity: Parity) -> None:
    expected = reference(flux, "FluxPipeline", 3.5)
    for name, prefix in (("flux1-dev", ""), ("wrapped", "model.diffusion_model.")):
        file = write_transformer(flux, tmp_path / f"{name}.safetensors", prefix=prefix)
        # The schedule and the guidance are the file's, whatever those of the base.
        for base in (flux, schnell):
            with TextToImage(file, base=base) as painter:
                picture = painter.generate(PROMPT, steps=STEPS, seed=SEED, **SIZE)[0]
            if base == flux:
                assert difference(picture, expected) <= _LAST_BITS
            assert picture.settings.guidance_scale == 3.5
            assert picture.settings.options == {"base": base.name}
    parity(
        "FLUX.1 as a denoiser in one file, with a base", "FluxPipeline.from_pretrained", "largest difference 1 of 255"
    )


def test_flux_in_fp8(flux: Path, tmp_path: Path, parity: Parity) -> None:
    import diffusers

    plain = load_file(write_transformer(flux, tmp_path / "plain.safetensors"))
    packed = {name: value.to(torch.float8_e4m3fn) for name, value in plain.items()}
    save_file(packed, tmp_path / "fp8.safetensors")
    save_file({name: value.float() for name, value in packed.items()}, tmp_path / "unpacked.safetensors")
    scaled, factors = {}, {}
    for name, value in packed.items():
        scaled[name] = value
        if name.endswith(".weight") and value.dim() == 2:
            factors[name.removesuffix("weight") + "scale_weight"] = torch.tensor(0.5)
    save_file(
        scaled | factors | {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "scaled.safetensors"
    )
    half = {
        name: value.float() * (0.5 if name.removesuffix("weight") + "scale_weight" in factors else 1)
        for name, value in packed.items()
    }
    save_file(half, tmp_path / "half.safetensors")
    loader: Any = diffusers.FluxTransformer2DModel
    for name, same_as in (("fp8", "unpacked"), ("scaled", "half")):
        transformer = loader.from_single_file(
            str(tmp_path / f"{same_as}.safetensors"), config=str(flux), subfolder="transformer", local_files_only=True
        )
        with TextToImage(tmp_path / f"{name}.safetensors", base=flux) as painter:
            assert (
                difference(painted(painter), reference(flux, "FluxPipeline", 3.5, transformer=transformer))
                <= _LAST_BITS
            )
    parity("FLUX.1 in FP8, plain and scaled", "its numbers in float32, from_single_file", "largest difference 1 of 255")


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_flux_as_gguf(flux: Path, kind: str, tmp_path: Path, parity: Parity) -> None:
    import diffusers

    file = write_gguf(flux, tmp_path / f"flux1-dev-{kind}.gguf", architecture="flux", kind=kind)
    content = read_weights_file(file)
    assert content.sentence.startswith("The denoiser of FLUX, without")
    assert kind in content.sentence
    loader: Any = diffusers.FluxTransformer2DModel
    settings: Any = diffusers.GGUFQuantizationConfig
    transformer = loader.from_single_file(
        str(file),
        config=str(flux),
        subfolder="transformer",
        local_files_only=True,
        quantization_config=settings(compute_dtype=torch.float32),
        torch_dtype=torch.float32,
    )
    with TextToImage(file, base=flux) as painter:
        assert difference(painted(painter), reference(flux, "FluxPipeline", 3.5, transformer=transformer)) <= _LAST_BITS
    parity(
        f"FLUX.1 as GGUF ({kind}), with a base",
        "FluxTransformer2DModel.from_single_file",
        "largest difference 1 of 255",
    )


def test_flux_with_all_parts_in_one_file(flux: Path, schnell: Path, tmp_path: Path, parity: Parity) -> None:
    file = write_whole_file(flux, tmp_path / "flux1-dev-all.safetensors", t5=True)
    with refused(InputError, "flux1-dev-all.safetensors", "vocabulary", "--base"):
        TextToImage(file).load()
    with TextToImage(file, base=schnell) as painter:
        assert difference(painted(painter), reference(flux, "FluxPipeline", 3.5)) <= _LAST_BITS
    parity("FLUX.1 with all parts in one file", "FluxPipeline.from_pretrained", "largest difference 1 of 255")


def test_stable_diffusion_3(stable_diffusion_3: Path, tmp_path: Path, parity: Parity) -> None:
    name = "StableDiffusion3Pipeline"
    expected = reference(stable_diffusion_3, name, 7.0)
    whole = write_whole_file(stable_diffusion_3, tmp_path / "whole.safetensors", t5=True)
    clips = write_whole_file(stable_diffusion_3, tmp_path / "clips.safetensors", t5=False)
    alone = write_transformer(stable_diffusion_3, tmp_path / "alone.safetensors")
    for file in (whole, clips, alone):
        with TextToImage(file, base=stable_diffusion_3) as painter:
            assert difference(painted(painter), expected) <= _LAST_BITS
    without = reference(stable_diffusion_3, name, 7.0, text_encoder_3=None, tokenizer_3=None)
    for opened in (
        TextToImage(alone, base=stable_diffusion_3, without=["text_encoder_3"]),
        TextToImage(whole, without=["text_encoder_3"]),
        TextToImage(clips),
    ):
        with opened as painter:
            assert difference(painted(painter), without) <= _LAST_BITS
    # Of a base, only what a file lacks is there to be fetched.
    lean = Path(shutil.copytree(stable_diffusion_3, tmp_path / "lean"))
    for part in ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"):
        shutil.rmtree(lean / part)
    with TextToImage(whole, base=lean) as painter:
        assert difference(painted(painter), expected) <= _LAST_BITS
    with refused(InputError, "whole.safetensors", "vocabulary", "--without text_encoder_3"):
        TextToImage(whole).load()
    with refused(InputError, "alone.safetensors", "autoencoder", "--base"):
        TextToImage(alone).load()
    parity(
        "Stable Diffusion 3 and 3.5 in one file: whole, without T5, denoiser",
        f"{name}.from_pretrained",
        "largest difference 1 of 255",
    )


def test_stable_diffusion_3_as_gguf(stable_diffusion_3: Path, tmp_path: Path) -> None:
    import diffusers

    file = write_gguf(stable_diffusion_3, tmp_path / "sd3.gguf", architecture="sd3")
    loader: Any = diffusers.SD3Transformer2DModel
    settings: Any = diffusers.GGUFQuantizationConfig
    transformer = loader.from_single_file(
        str(file),
        config=str(stable_diffusion_3),
        subfolder="transformer",
        local_files_only=True,
        quantization_config=settings(compute_dtype=torch.float32),
        torch_dtype=torch.float32,
    )
    expected = reference(stable_diffusion_3, "StableDiffusion3Pipeline", 7.0, transformer=transformer)
    with TextToImage(file, base=stable_diffusion_3) as painter:
        assert difference(painted(painter), expected) <= _LAST_BITS


def test_what_does_not_fit_is_refused(flux: Path, tmp_path: Path) -> None:
    file = write_transformer(flux, tmp_path / "flux1-dev.safetensors")
    with refused(InputError, "flux1-dev.safetensors", "autoencoder", "CLIP", "T5", "--base"):
        TextToImage(file).load()
    other = tiny_stable_diffusion(tmp_path / "other")
    with refused(InputError, "other", "StableDiffusionPipeline", "FluxPipeline"):
        TextToImage(file, base=other).load()
    tensors = load_file(file)
    cases: dict[str, tuple[dict[str, Any], type, tuple[str, ...]]] = {
        "nf4": (
            {"double_blocks.0.img_mlp.0.weight.quant_state.bitsandbytes__nf4": torch.zeros(4, dtype=torch.uint8)},
            UnsupportedError,
            ("nf4", "bitsandbytes", "GGUF"),
        ),
        "more": ({"double_blocks.0.img_attn.more.weight": torch.ones(4)}, UnsupportedError, ("more",)),
        "chroma": ({"distilled_guidance_layer.in_proj.weight": torch.ones(4)}, UnsupportedError, ("Chroma",)),
    }
    for name, (further, kind, words) in cases.items():
        save_file(tensors | further, tmp_path / f"{name}.safetensors")
        with refused(kind, *words):
            TextToImage(tmp_path / f"{name}.safetensors", base=flux).load()
    save_file({n: v for n, v in tensors.items() if n != "txt_in.bias"}, tmp_path / "hole.safetensors")
    with refused(UnsupportedError, "hole"):
        TextToImage(tmp_path / "hole.safetensors", base=flux).load()
    packed = write_gguf(flux, tmp_path / "cut.gguf", architecture="flux")
    packed.write_bytes(packed.read_bytes()[:-5000])
    with refused(ModelUnavailableError, "cut.gguf"):
        TextToImage(packed, base=flux)
