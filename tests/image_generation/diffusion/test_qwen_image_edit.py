"""Qwen-Image-Edit opens without torchvision, which only the films of its processor would need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium.image_generation.diffusion.checkpoints.checkpoint import open_components, read_layout
from sensorium.models.catalog import Checkpoint
from tests import real_media
from tests.checkpoints.qwen_image_edit import tiny_qwen_image_edit


@pytest.mark.parametrize("named", ["Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast"])
def test_its_processor_prepares_pictures_as_transformers_does(
    named: str, tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    from transformers import AutoImageProcessor, AutoTokenizer

    folder = tiny_qwen_image_edit(tmp_path / "edit", image_processor=named)
    checkpoint = Checkpoint(name="edit", task="text-to-image", folder=str(folder))
    layout = read_layout(folder, checkpoint, half_precision=False)
    opened = open_components(folder, layout, checkpoint, device="cpu", dtype=torch.float32, runs_on="cpu")
    picture = PIL.Image.open(real_media.photo("chelsea")).convert("RGB")
    prompt = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>a cat<|im_end|>\n"
    ours: Any = opened["processor"](text=[prompt], images=picture, padding=True, return_tensors="pt")
    theirs = AutoImageProcessor.from_pretrained(folder / "processor", backend="pil")(picture, return_tensors="pt")
    pads = "<|image_pad|>" * (int(theirs["image_grid_thw"].prod()) // 4)
    ids = AutoTokenizer.from_pretrained(folder / "tokenizer")(prompt.replace("<|image_pad|>", pads)).input_ids
    assert ours["input_ids"].tolist() == [ids]
    assert torch.equal(ours["pixel_values"], theirs["pixel_values"])
    assert torch.equal(ours["image_grid_thw"], theirs["image_grid_thw"])
    parity(f"Qwen-Image-Edit's processor ({named})", "transformers.AutoImageProcessor", "the same inputs")
