"""What a server lets be opened: only what is there, and only in ways that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.engine.options import EngineOptions
from sensorium.engine.placement import place
from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.models import catalog, store
from sensorium.operations.image_generation import Imagine
from sensorium.operations.vision_language import Caption
from tests.checkpoints.diffusion import tiny_stable_diffusion_3
from tests.refusals import refused

NAME = "tests/stable-diffusion-3"
T5 = "text_encoder_3"


@pytest.fixture
def without_t5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub cache that holds Stable Diffusion 3 but for its largest text encoder."""
    from huggingface_hub import constants

    kept = tmp_path / "hub" / f"models--{NAME.replace('/', '--')}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tiny_stable_diffusion_3(kept / "snapshots" / commit)
    for file in folder.glob(f"{T5}/*.safetensors"):
        file.unlink()
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.usefixtures("without_t5")
def test_what_is_there_in_part_may_be_used_in_part_alone() -> None:
    whole = Imagine(prompt="a cat", model=NAME)
    part = Imagine(prompt="a cat", model=NAME, without=(T5,))
    for _ in range(2):
        with refused(ModelUnavailableError, NAME, f"sensorium models pull {NAME}"):
            place(whole, EngineOptions(), 0)
        place(part, EngineOptions(), 0)


def test_less_memory_is_kept_for_quantized_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "is_present", lambda checkpoint: True)
    full, eight, four = (
        place(Caption(image="upload:a", model="blip2-opt-2.7b", quantize=each), EngineOptions(), 0).memory["main"]
        for each in (None, "8bit", "4bit")
    )
    assert full == catalog.named("blip2-opt-2.7b").memory_bytes
    assert 0 < four < eight < full / 2


def test_what_can_not_be_quantized_is_refused_before_it_is_placed() -> None:
    with refused(InputError, "'bogus'", "8bit", "4bit") as error:
        place(Caption(image="upload:a", model="socratic-image-qa", quantize="bogus"), EngineOptions(), 0)
    assert error.value.param == "quantize"
    with refused(UnsupportedError, "'imagine'", "quantize"):
        place(Imagine(prompt="a cat", model="painter-starter", quantize="4bit"), EngineOptions(), 0)
