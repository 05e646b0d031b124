"""Tiny checkpoints that several files of tests use: each is built once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from tests import real_media
from tests.checkpoints import vision_language as checkpoints

TinyCheckpoint = Callable[[str], Path]

_BUILDERS: dict[str, Callable[[Path], Path]] = {
    "blip-caption": checkpoints.tiny_blip,
    "blip-vqa": partial(checkpoints.tiny_blip, head="vqa"),
    "blip2-opt": checkpoints.tiny_blip_2,
    "blip2-t5": partial(checkpoints.tiny_blip_2, language_model="t5"),
    "llava": checkpoints.tiny_llava,
    "llava_next": checkpoints.tiny_llava_next,
    "llava_onevision": checkpoints.tiny_llava_onevision,
    "qwen2_vl": checkpoints.tiny_qwen_vl,
    "qwen2_5_vl": partial(checkpoints.tiny_qwen_vl, family="qwen2_5_vl"),
    "qwen3_vl": partial(checkpoints.tiny_qwen_vl, family="qwen3_vl"),
    "idefics3": partial(checkpoints.tiny_smolvlm, family="idefics3"),
    "smolvlm": checkpoints.tiny_smolvlm,
    "internvl": checkpoints.tiny_internvl,
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyCheckpoint:
    """Give the folder of a tiny checkpoint, such as ``tiny("llava")``."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def build(name: str) -> Path:
        return folder / name if (folder / name).is_dir() else _BUILDERS[name](folder / name)

    return build


@pytest.fixture(scope="session")
def pictures() -> list[PIL.Image.Image]:
    """Three photographs: a cat, an astronaut, a cup of coffee."""
    return [PIL.Image.open(real_media.photo(name)).convert("RGB") for name in ("chelsea", "astronaut", "coffee")]


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[list[list[int]]]:
    """Everything that any model of transformers generates meanwhile, as token ids, prompt included where it is."""
    from transformers import GenerationMixin

    found: list[list[list[int]]] = []
    generate = GenerationMixin.generate

    def recording(*arguments: Any, **options: Any) -> Any:
        tokens = generate(*arguments, **options)
        found.append(tokens.tolist())
        return tokens

    monkeypatch.setattr(GenerationMixin, "generate", recording)
    return found
