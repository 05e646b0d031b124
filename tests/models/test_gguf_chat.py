"""GGUF files of chat models that see are told what they are, and how they are asked about pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from sensorium import ImageQA, LanguageModel, LLaVA, TextToImage
from sensorium.errors import UnsupportedError
from sensorium.models.gguf_chat import PROJECTOR, SEEING
from sensorium.models.single_file import read_weights_file
from sensorium.suitability import tasks_for
from tests.refusals import refused

EYES = {"v.patch_embd.weight": (8, 3, 4, 4), "v.blk.0.attn_q.weight": (32, 32), "mm.0.weight": (32, 32)}
WORDS = {"token_embd.weight": (64, 32), "blk.0.attn_q.weight": (32, 32), "output.weight": (64, 32)}


def written(path: Path, architecture: str, tensors: dict[str, tuple[int, ...]]) -> Path:
    """Write a file as llama.cpp's converter lays it out."""
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name(path.stem)
    if architecture == "clip":
        writer.add_bool("clip.has_vision_encoder", True)
    for name, shape in tensors.items():
        writer.add_tensor(name, np.zeros(shape, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    words = written(tmp_path / "Qwen2-VL-Q8.gguf", "qwen2vl", WORDS)
    return words, written(tmp_path / "mmproj-Qwen2-VL-f16.gguf", "clip", EYES)


@pytest.mark.parametrize("system", [LLaVA, ImageQA, LanguageModel, TextToImage])
def test_both_files_are_served_elsewhere(
    system: Callable[..., LLaVA], pair: tuple[Path, Path], parity: Callable[[str, str, str], None]
) -> None:
    words, eyes = pair
    server = ("llama-server -m Qwen2-VL-Q8.gguf --mmproj mmproj-Qwen2-VL-f16.gguf", "openai:Qwen2-VL-Q8@http://")
    with refused(UnsupportedError, "Qwen2-VL-Q8", "qwen2vl", *server):
        system(words).load()
    with refused(UnsupportedError, "mmproj-Qwen2-VL-f16", "projector", "--mmproj mmproj-Qwen2-VL-f16.gguf"):
        system(eyes).load()
    parity(f"GGUF with a projector, {system.__name__}", "its header", "refused with the server that opens it")


def test_they_are_offered_for_no_task(pair: tuple[Path, Path]) -> None:
    for file, family in zip(pair, (SEEING, PROJECTOR), strict=True):
        checkpoint = LanguageModel(file).checkpoint
        assert checkpoint.family == family
        assert tasks_for(checkpoint, file.parent) == ()


def test_a_language_model_beside_a_projector_is_one_still(pair: tuple[Path, Path]) -> None:
    file = written(pair[0].with_name("llava-7b.gguf"), "llama", WORDS)
    assert tasks_for(LanguageModel(file).checkpoint, file.parent) == ("text-generation",)
    sentence = read_weights_file(file).sentence
    assert "'llama'" in sentence
    assert "--mmproj mmproj-Qwen2-VL-f16.gguf" in sentence
    with refused(UnsupportedError, "llava-7b", "--mmproj mmproj-Qwen2-VL-f16.gguf"):
        LLaVA(file).load()


def test_a_language_model_alone_has_nothing_to_do_with_pictures(tmp_path: Path) -> None:
    file = written(tmp_path / "words.gguf", "llama", WORDS)
    assert "mmproj" not in read_weights_file(file).sentence
    with refused(UnsupportedError, "words", "'llama'") as refusal:
        LLaVA(file).load()
    assert "mmproj" not in str(refusal.value)
