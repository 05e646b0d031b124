"""Checkpoints that paint in one way only: InstructPix2Pix, FLUX Fill and Kontext; and those that don't paint here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import TextToImage
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.picture_size import fit_picture
from tests.checkpoints.diffusion import tiny_flux, tiny_stable_diffusion
from tests.checkpoints.full_structure import full_stable_diffusion
from tests.checkpoints.single_file import write_single_file
from tests.refusals import refused

Parity = Callable[[str, str, str], None]

PROMPT, SEED, STEPS, SIZE = "make it a dog", 5, 3, (96, 64)
SIDES: dict[str, Any] = {"width": 96, "height": 64}
PIX2PIX = "StableDiffusionInstructPix2PixPipeline"


@pytest.fixture(scope="module")
def instructed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stable_diffusion(tmp_path_factory.mktemp("pix2pix") / "pix2pix", unet_channels=8, class_name=PIX2PIX)


def reference(folder: Path, class_name: str, **inputs: Any) -> PIL.Image.Image:
    import diffusers

    pipeline = getattr(diffusers, class_name).from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(SEED)
    image: PIL.Image.Image = pipeline(prompt=PROMPT, num_inference_steps=STEPS, generator=generator, **inputs).images[0]
    return image


def test_instructions(instructed: Path, cat: PIL.Image.Image, parity: Parity) -> None:
    small = fit_picture(cat, SIZE)
    with TextToImage(instructed) as painter:
        for scale in (None, 2.5):
            mine = painter.img2img(cat, PROMPT, image_guidance_scale=scale, seed=SEED, steps=STEPS, **SIDES)[0]
            expected = reference(instructed, PIX2PIX, image=small, image_guidance_scale=scale or 1.5)
            assert mine.tobytes() == expected.tobytes()
            assert mine.settings.options == {"image_guidance_scale": scale or 1.5}
        again = painter.paint_again(mine.settings, init_image=cat)
        assert again.tobytes() == mine.tobytes()
        with refused(UnsupportedError, "text-to-image", "image-to-image"):
            painter.generate(PROMPT)
        with refused(UnsupportedError, "inpainting"):
            painter.inpaint(cat, PIL.Image.new("L", cat.size, 255), PROMPT)
    parity("InstructPix2Pix, image to image", PIX2PIX, "the same pixels")


def test_instructions_from_a_single_file(tmp_path: Path, cat: PIL.Image.Image) -> None:
    parts = full_stable_diffusion(tmp_path / "parts", in_channels=8)
    index = parts / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_class_name": PIX2PIX}))
    file = write_single_file(parts, tmp_path / "instruct-pix2pix.safetensors")
    with TextToImage(file) as painter, TextToImage(parts) as whole:
        mine, expected = (each.img2img(cat, PROMPT, seed=SEED, steps=2, **SIDES)[0] for each in (painter, whole))
    assert mine.tobytes() == expected.tobytes()


def test_guidance_by_the_picture_is_for_instructions(painter: TextToImage, cat: PIL.Image.Image) -> None:
    with refused(InputError, "image_guidance_scale", "InstructPix2Pix"):
        painter.img2img(cat, PROMPT, image_guidance_scale=2)
    with refused(InputError, "image_guidance_scale", "-1"):
        painter.img2img(cat, PROMPT, image_guidance_scale=-1)


def test_flux_fill(tmp_path: Path, cat: PIL.Image.Image, mask: PIL.Image.Image, parity: Parity) -> None:
    folder = tiny_flux(tmp_path / "fill", class_name="FluxFillPipeline", in_channels=384)
    image, area = fit_picture(cat, SIZE), fit_picture(mask, SIZE)
    with TextToImage(folder) as painter:
        mine = painter.inpaint(cat, mask, PROMPT, seed=SEED, steps=STEPS, **SIDES)[0]
        with refused(UnsupportedError, "text-to-image", "inpainting"):
            painter.generate(PROMPT)
    expected = reference(folder, "FluxFillPipeline", image=image, mask_image=area, guidance_scale=30.0, **SIDES)
    assert mine.tobytes() == PIL.Image.composite(expected, image, area).tobytes()
    assert mine.settings.guidance_scale == 30.0
    parity("FLUX.1 Fill, inpainting", "FluxFillPipeline, pasted into the picture", "the same pixels")


def test_flux_kontext(tmp_path: Path, cat: PIL.Image.Image, parity: Parity) -> None:
    folder = tiny_flux(tmp_path / "kontext", class_name="FluxKontextPipeline")
    with TextToImage(folder) as painter:
        mine = painter.img2img(cat, PROMPT, seed=SEED, steps=STEPS, **SIDES)[0]
        worded = painter.generate(PROMPT, seed=SEED, steps=STEPS, **SIDES)[0]
    inputs = {"guidance_scale": 3.5, "max_area": 96 * 64, **SIDES}
    expected = reference(folder, "FluxKontextPipeline", image=fit_picture(cat, SIZE), **inputs)
    assert mine.tobytes() == expected.tobytes()
    assert mine.size == worded.size == SIZE
    assert mine.tobytes() != worded.tobytes()
    parity("FLUX.1 Kontext, image to image by instruction", "FluxKontextPipeline", "the same pixels")


@pytest.mark.parametrize(
    ("class_name", "named"),
    [
        ("FluxControlPipeline", "ControlNet"),
        ("WuerstchenPriorPipeline", "WuerstchenDecoderPipeline"),
        ("StableCascadePriorPipeline", "StableCascadeDecoderPipeline"),
        ("KandinskyPriorPipeline", "KandinskyPipeline"),
        ("KandinskyV22PriorPipeline", "kandinsky-2-2"),
        ("HeliosPipeline", "films"),
        ("NoSuchPipeline", "diffusers has no pipeline"),
        ("Kandinsky6TI2VAPipeline", "films with sound"),
        ("QwenImageLayeredPipeline", "layers"),
        ("OmniGenPipeline", "torchvision"),
        ("SanaControlNetPipeline", "sensorium control"),
        ("AceStepPipeline", "diffusers has no pipeline"),
        ("Cosmos2TextToImagePipeline", "cosmos_guardrail"),
    ],
)
def test_what_does_not_paint_here_says_why(stable_diffusion: Path, class_name: str, named: str, tmp_path: Path) -> None:
    folder = shutil.copytree(stable_diffusion, tmp_path / "other")
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_class_name": class_name}))
    with refused(UnsupportedError, "other", class_name, named):
        TextToImage(folder).load()


def test_saved_with_a_controlnet_it_paints_without(
    stable_diffusion: Path, painter: TextToImage, tmp_path: Path
) -> None:
    import diffusers

    folder = shutil.copytree(stable_diffusion, tmp_path / "controlled")
    network: Any = diffusers.ControlNetModel
    network.from_unet(diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")).save_pretrained(
        folder / "controlnet"
    )
    index = folder / "model_index.json"
    further = {"_class_name": "StableDiffusionControlNetPipeline", "controlnet": ["diffusers", "ControlNetModel"]}
    index.write_text(json.dumps({**json.loads(index.read_text()), **further}))
    with TextToImage(folder) as controlled:
        mine, plain = (each.generate(PROMPT, seed=SEED, steps=2)[0] for each in (controlled, painter))
    assert mine.tobytes() == plain.tobytes()
