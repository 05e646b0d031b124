"""Pipelines that AutoPipelines don't know, or that read prompts with a chat model, held against diffusers alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
import torch

from sensorium import TextToImage
from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.picture_size import fit_picture
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Preview, Progress
from sensorium.vision_language.families.image_text_processor import open_without_films
from tests.checkpoints.painters import tiny_painter
from tests.refusals import refused

Parity = Callable[[str, str, str], None]

PROMPT, SEED, SIZE = "a red cat", 5, (96, 64)
LARGE = ("JoyImageEditPlusPipeline", "Kandinsky5T2IPipeline", "LongCatImageEditPipeline")
"""They work on a million pixels whatever they are asked for."""
SIDES = {"width": 96, "height": 64}
KREA_2 = {"text_encoder_select_layers": [0, 1, 2]}

PAINTINGS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("ChromaPipeline", "image-to-image", "ChromaImg2ImgPipeline", {"guidance_scale": 5.0, **SIDES}),
    ("DreamLiteMobilePipeline", "text-to-image", "", SIDES),
    ("DreamLitePipeline", "image-to-image", "", {"guidance_scale": 3.5, "image_guidance_scale": 1.5, **SIDES}),
    ("ErnieImagePipeline", "text-to-image", "", {"guidance_scale": 4.0, "use_pe": False, **SIDES}),
    ("Flux2KleinKVPipeline", "image-to-image", "", SIDES),
    ("Flux2KleinPipeline", "image-to-image", "", {"guidance_scale": 4.0, **SIDES}),
    ("Flux2KleinPipeline", "inpainting", "Flux2KleinInpaintPipeline", {"guidance_scale": 4.0, **SIDES}),
    ("HunyuanImagePipeline", "text-to-image", "", SIDES),
    ("JoyImageEditPlusPipeline", "image-to-image", "", {"guidance_scale": 4.0, **SIDES}),
    ("Kandinsky5T2IPipeline", "text-to-image", "", {"guidance_scale": 3.5, **SIDES}),
    ("Krea2Pipeline", "text-to-image", "", {"guidance_scale": 4.5, **SIDES}),
    ("LongCatImageEditPipeline", "image-to-image", "", {"guidance_scale": 4.5}),
    ("LongCatImagePipeline", "text-to-image", "", {"guidance_scale": 4.5, "enable_prompt_rewrite": False, **SIDES}),
    ("QwenImageEditPipeline", "image-to-image", "", {"true_cfg_scale": 4.0, "negative_prompt": " ", **SIDES}),
    ("QwenImageEditPlusPipeline", "image-to-image", "", {"true_cfg_scale": 4.0, "negative_prompt": " ", **SIDES}),
    ("SanaSprintPipeline", "text-to-image", "", {"guidance_scale": 4.5, "intermediate_timesteps": None, **SIDES}),
    ("SanaSprintPipeline", "image-to-image", "SanaSprintImg2ImgPipeline", {"intermediate_timesteps": None, **SIDES}),
]
"""The pipeline that a checkpoint names, a kind of painting, the pipeline for that, and what it is made for."""


def reference(folder: Path, class_name: str, steps: int, **arguments: Any) -> PIL.Image.Image:
    """Return what diffusers alone paints, with the components of a folder."""
    import diffusers
    import transformers

    index = json.loads((folder / "model_index.json").read_text())
    parts: dict[str, Any] = {name: value for name, value in index.items() if not name.startswith("_")}
    for name, value in list(parts.items()):
        if not (isinstance(value, list) and value[0] in ("diffusers", "transformers")):
            continue
        part_class: Any = getattr({"diffusers": diffusers, "transformers": transformers}[value[0]], value[1], None)
        if name.startswith("pe"):
            parts[name] = None
        elif value[1].endswith("Processor"):
            parts[name] = open_without_films(part_class, folder / name, checkpoint=Checkpoint("p", "text-to-image"))
        else:
            parts[name] = part_class.from_pretrained(folder / name)
    pipeline = getattr(diffusers, class_name)(**parts)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(SEED)
    image: PIL.Image.Image = pipeline(prompt=PROMPT, num_inference_steps=steps, generator=generator, **arguments)[0][0]
    return image


@pytest.mark.parametrize(
    ("named", "kind", "paints", "arguments"), PAINTINGS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_same_pixels(
    named: str,
    kind: str,
    paints: str,
    arguments: dict[str, Any],
    cat: PIL.Image.Image,
    mask: PIL.Image.Image,
    tmp_path: Path,
    parity: Parity,
) -> None:
    folder = tiny_painter(tmp_path / "painter", named, **(KREA_2 if named == "Krea2Pipeline" else {}))
    events: list[Any] = []
    steps = 1 if named in LARGE else 3
    options: dict[str, Any] = {"steps": steps, "seed": SEED, "previews": True, "report": events.append, **SIDES}
    small, area = fit_picture(cat, SIZE), fit_picture(mask, SIZE)
    with TextToImage(folder) as painter:
        if kind == "text-to-image":
            mine, further = painter.generate(PROMPT, **options), {}
        elif kind == "image-to-image":
            mine, further = painter.img2img(cat, PROMPT, 0.75, **options), {"image": small}
        else:
            mine, further = painter.inpaint(cat, mask, PROMPT, **options), {"image": small, "mask_image": area}
        if kind == "text-to-image":
            with refused(UnsupportedError, "inpainting"):
                painter.inpaint(cat, mask, PROMPT)
    if named == "JoyImageEditPlusPipeline":
        further = {"images": [small]}
    elif paints:
        further["strength"] = 1.0 if kind == "inpainting" else 0.75
    expected = reference(folder, paints or named, steps, **further, **arguments)
    if kind == "inpainting":
        expected = PIL.Image.composite(expected, small, area)
    assert mine[0].size == expected.size
    assert mine[0].tobytes() == expected.tobytes()
    assert numpy.asarray(expected).std() > 4
    painted = [event for event in events if isinstance(event, Progress) and event.stage == "painting"]
    assert painted[-1].done == painted[-1].total
    assert any(isinstance(event, Preview) for event in events) == (named != "JoyImageEditPlusPipeline")
    assert any("width and height have no effect" in note for note in mine.notes) == (expected.size != SIZE)
    parity(f"{named}, {kind}", paints or named, "the same pixels")


def test_several_pictures(cat: PIL.Image.Image, mask: PIL.Image.Image, tmp_path: Path, parity: Parity) -> None:
    folder = tiny_painter(tmp_path / "painter", "Flux2KleinPipeline")
    other = mask.convert("RGB").resize((64, 64))
    with TextToImage(folder) as painter:
        [mine] = painter.img2img(cat, PROMPT, further_images=[other], steps=2, seed=SEED, **SIDES)
        again = painter.paint_again(mine.settings, init_image=cat, further_images=[other])
        [alone] = painter.img2img(cat, PROMPT, steps=2, seed=SEED, **SIDES)
        with refused(InputError, "further pictures"):
            painter.paint_again(mine.settings, init_image=cat)
    expected = reference(folder, "Flux2KleinPipeline", 2, image=[fit_picture(cat, SIZE), other], **SIDES)
    assert mine.tobytes() == expected.tobytes() == again.tobytes()
    assert mine.tobytes() != alone.tobytes()
    parity("FLUX.2 klein, image to image, two pictures", "Flux2KleinPipeline", "the same pixels")


def test_several_pictures_for_a_painter_that_starts_from_one(painter: TextToImage, cat: PIL.Image.Image) -> None:
    with refused(UnsupportedError, "one picture", "2", "flux.2-klein-4b"):
        painter.img2img(cat, PROMPT, further_images=[cat], steps=2)


def test_what_its_makers_publish_elsewhere_is_named(tmp_path: Path) -> None:
    for name in ("hidream", "anima"):
        (tmp_path / name).mkdir()
    absent = {name: [None, None] for name in ("text_encoder_4", "tokenizer_4")}
    index = {"_class_name": "HiDreamImagePipeline", **absent}
    (tmp_path / "hidream" / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "anima" / "modular_model_index.json").write_text("{}")
    with refused(ModelUnavailableError, "hidream", "text_encoder_4", "Llama-3.1-8B-Instruct"):
        TextToImage(tmp_path / "hidream").load()
    with refused(ModelUnavailableError, "anima", "modular"):
        TextToImage(tmp_path / "anima").load()


def test_what_a_pipeline_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    folder = tiny_painter(tmp_path / "painter", "SanaSprintPipeline")
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "sample_size": 16}))
    with TextToImage(folder) as painter, refused(InputError, "SanaSprintPipeline", "Invalid sample size"):
        painter.generate(PROMPT, **SIDES)
