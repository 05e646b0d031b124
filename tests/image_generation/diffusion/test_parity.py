"""Every family held against diffusers called directly: the same checkpoint, prompt and seed, the same pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
import torch

from sensorium import TextToImage
from sensorium.errors import UnsupportedError
from sensorium.image_generation.picture_size import fit_picture
from tests.checkpoints import diffusion as tiny

Parity = Callable[[str, str, str], None]

PROMPT, NEGATIVE, SEED, STEPS = "a photo of a cat, oil painting", "a dog", 7, 3

FAMILIES: dict[str, tuple[Callable[[Path], Path], str, dict[str, Any]]] = {
    "Stable Diffusion 1.5": (tiny.tiny_stable_diffusion, "StableDiffusion", {"guidance_scale": 7.5}),
    "Stable Diffusion XL": (tiny.tiny_stable_diffusion_xl, "StableDiffusionXL", {"guidance_scale": 5.0}),
    "Stable Diffusion 3": (tiny.tiny_stable_diffusion_3, "StableDiffusion3", {"guidance_scale": 7.0}),
    "FLUX.1": (tiny.tiny_flux, "Flux", {"guidance_scale": 3.5}),
    "LCM": (
        lambda folder: tiny.tiny_stable_diffusion(
            folder,
            scheduler="LCMScheduler",
            guidance_embedded=True,
            class_name="LatentConsistencyModelPipeline",
        ),
        "LatentConsistencyModel",
        {"guidance_scale": 8.5},
    ),
    "PixArt Sigma": (tiny.tiny_pixart, "PixArtSigma", {"guidance_scale": 4.5}),
    "Z-Image": (tiny.tiny_z_image, "ZImage", {"guidance_scale": 5.0}),
}
"""From family to its builder, the beginning of its pipelines' names, and the guidance that it was made for."""
WITHOUT_IMAGE_TO_IMAGE = {"PixArt Sigma"}
WITHOUT_INPAINTING = {"PixArt Sigma", "LCM"}
"""What diffusers has no pipeline for."""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    name: str = request.param
    return name, FAMILIES[name][0](tmp_path_factory.mktemp("families") / "checkpoint")


def theirs(folder: Path, class_name: str, **arguments: Any) -> PIL.Image.Image:
    import diffusers

    pipeline = getattr(diffusers, class_name).from_pretrained(folder, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    image: PIL.Image.Image = pipeline(**arguments, generator=torch.Generator().manual_seed(SEED)).images[0]
    return image


def difference(ours: PIL.Image.Image, reference: PIL.Image.Image) -> int:
    """The largest one of any pixel, of 255; the picture must have some detail for that to mean something."""
    pixels = numpy.asarray(reference).astype(int)
    assert pixels.std() > 4
    assert ours.size == reference.size
    return int(numpy.abs(numpy.asarray(ours).astype(int) - pixels).max())


def agreement(largest: int) -> str:
    return f"largest difference of a pixel {largest} of 255"


def negative(name: str) -> dict[str, str]:
    return {} if name in ("FLUX.1", "LCM") else {"negative_prompt": NEGATIVE}


def test_text_to_image(family: tuple[str, Path], parity: Parity) -> None:
    name, folder = family
    _, start, own = FAMILIES[name]
    size = {"width": 64, "height": 96}
    with TextToImage(folder) as text_to_image:
        ours = text_to_image.generate(PROMPT, steps=STEPS, seed=SEED, **size, **negative(name))[0]
        others = text_to_image.generate(PROMPT, steps=STEPS, seed=SEED + 1, **size, **negative(name))[0]
    reference = theirs(
        folder, f"{start}Pipeline", prompt=PROMPT, num_inference_steps=STEPS, **size, **own, **negative(name)
    )
    largest = difference(ours, reference)
    parity(f"{name}, text to image", f"{start}Pipeline", agreement(largest))
    assert largest == 0
    assert difference(others, reference) > 4


def test_image_to_image(family: tuple[str, Path], cat: PIL.Image.Image, parity: Parity) -> None:
    name, folder = family
    _, start, own = FAMILIES[name]
    if name in WITHOUT_IMAGE_TO_IMAGE:
        with TextToImage(folder) as text_to_image, pytest.raises(UnsupportedError, match="can't do image-to-image"):
            text_to_image.img2img(cat, PROMPT)
        return
    with TextToImage(folder) as text_to_image:
        ours = text_to_image.img2img(cat, PROMPT, 0.6, steps=5, seed=SEED, width=96, height=64, **negative(name))[0]
    inputs: dict[str, Any] = {"image": fit_picture(cat, (96, 64)), "strength": 0.6, "num_inference_steps": 5}
    if name in ("FLUX.1", "Stable Diffusion 3"):
        inputs.update(width=96, height=64)
    reference = theirs(folder, f"{start}Img2ImgPipeline", prompt=PROMPT, **inputs, **own, **negative(name))
    largest = difference(ours, reference)
    parity(f"{name}, image to image", f"{start}Img2ImgPipeline", agreement(largest))
    assert largest == 0


def test_inpainting(family: tuple[str, Path], cat: PIL.Image.Image, mask: PIL.Image.Image, parity: Parity) -> None:
    name, folder = family
    _, start, own = FAMILIES[name]
    if name in WITHOUT_INPAINTING:
        with TextToImage(folder) as text_to_image, pytest.raises(UnsupportedError, match="can't do inpainting"):
            text_to_image.inpaint(cat, mask, PROMPT)
        return
    with TextToImage(folder) as text_to_image:
        ours = text_to_image.inpaint(cat, mask, PROMPT, steps=STEPS, seed=SEED, width=96, height=64, **negative(name))[
            0
        ]
    image, area = fit_picture(cat, (96, 64)), fit_picture(mask, (96, 64))
    inputs: dict[str, Any] = {"image": image, "mask_image": area, "strength": 1.0, "num_inference_steps": STEPS}
    inputs.update(width=96, height=64)
    reference = theirs(folder, f"{start}InpaintPipeline", prompt=PROMPT, **inputs, **{**own, **negative(name)})
    largest = difference(ours, PIL.Image.composite(reference, image, area))
    parity(f"{name}, inpainting", f"{start}InpaintPipeline, pasted into the picture", agreement(largest))
    assert largest == 0
    right_half = (60, 0, 96, 64)
    assert ours.crop(right_half).tobytes() == image.crop(right_half).tobytes()


def test_lora(stable_diffusion: Path, painter: TextToImage, tmp_path: Path, parity: Parity) -> None:
    import diffusers

    file = tiny.tiny_lora(tmp_path / "style.safetensors", stable_diffusion)
    settings: dict[str, Any] = {"steps": STEPS, "seed": SEED}
    before = painter.generate(PROMPT, **settings)[0]
    ours = painter.generate(PROMPT, lora=[(file, 0.7)], **settings)[0]
    after = painter.generate(PROMPT, **settings)[0]
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(stable_diffusion, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(tmp_path, weight_name=file.name, adapter_name="style")
    pipeline.set_adapters(["style"], [0.7])
    reference = pipeline(PROMPT, num_inference_steps=STEPS, generator=torch.Generator().manual_seed(SEED)).images[0]
    largest = difference(ours, reference)
    parity("Stable Diffusion 1.5 with a LoRA file", "load_lora_weights, set_adapters", agreement(largest))
    assert largest == 0
    assert difference(ours, before) > 4
    assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("name", "class_name", "settings"),
    [
        ("ddim", "DDIMScheduler", {"clip_sample": False}),
        ("dpm++-2m-karras", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("dpm++-2m-sde", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("euler-ancestral", "EulerAncestralDiscreteScheduler", {}),
        ("heun", "HeunDiscreteScheduler", {}),
        ("lcm", "LCMScheduler", {"clip_sample": False}),
        ("unipc", "UniPCMultistepScheduler", {}),
    ],
)
def test_schedulers(
    stable_diffusion: Path,
    painter: TextToImage,
    name: str,
    class_name: str,
    settings: dict[str, Any],
    parity: Parity,
) -> None:
    import diffusers

    ours = painter.generate(PROMPT, steps=4, guidance_scale=7.5, seed=SEED, scheduler=name)[0]
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(stable_diffusion, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = getattr(diffusers, class_name).from_config(pipeline.scheduler.config, **settings)
    reference = pipeline(PROMPT, num_inference_steps=4, generator=torch.Generator().manual_seed(SEED)).images[0]
    largest = difference(ours, reference)
    parity(f"Stable Diffusion 1.5, scheduler {name}", f"{class_name}.from_config", agreement(largest))
    assert largest == 0
    assert ours.settings.scheduler == name
