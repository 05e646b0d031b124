"""A model that is larger than the card runs layer by layer, to the same tokens; here the processor plays the card."""

from __future__ import annotations

from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import ImageQA
from sensorium.models import device
from tests.vision_language.conftest import TinyCheckpoint


@pytest.mark.parametrize("name", ["llava", "llava_onevision", "qwen2_vl", "blip-caption", "blip2-opt", "blip2-t5"])
def test_layer_by_layer(
    name: str, tiny: TinyCheckpoint, pictures: list[PIL.Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImageQA(tiny(name)) as image_qa:
        expected = image_qa.generate_caption(pictures)
    placement = device.Placement("cpu", torch.float32, offload="sequential")
    monkeypatch.setattr(device, "place", lambda *given, **more: placement)
    with ImageQA(tiny(name)) as image_qa:
        backend: Any = image_qa.backend
        weights = [*(getattr(backend._model, "_model", backend._model)).parameters()]
        waiting = sum(weight.numel() for weight in weights if weight.device.type == "meta")
        assert waiting > 0.9 * sum(weight.numel() for weight in weights)
        assert image_qa.generate_caption(pictures) == expected
