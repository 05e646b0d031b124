"""Quantizing while loading: who can, what it needs, and that weights of two kinds are never taken for each other.

bitsandbytes is no dependency of Sensorium, so what it computes isn't tested here.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

from sensorium import CLIP, ControlNetGenerator, ImageQA, LanguageModel, LLaVA, SpeechToText, TextToImage, VideoQA
from sensorium.cli.app import app
from sensorium.engine.options import EngineOptions
from sensorium.engine.placement import place
from sensorium.errors import InputError, MissingDependencyError, UnsupportedError
from sensorium.models import device
from sensorium.models.quantizing import quantized_memory
from sensorium.operations.vision_language import Caption
from sensorium.task import Task
from tests.checkpoints.quantized import as_if_quantized
from tests.checkpoints.vision_language import tiny_blip
from tests.language.tiny_language_models import tiny_causal_language_model
from tests.refusals import refused


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal_language_model(tmp_path_factory.mktemp("writer") / "plain")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "red.png"
    PIL.Image.new("RGB", (8, 8), "red").save(path)
    return path


@pytest.fixture
def bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The installed version of bitsandbytes; none at first."""
    found: dict[str, str] = {}
    version = importlib.metadata.version

    def of(name: str) -> str:
        if name != "bitsandbytes":
            return version(name)
        if not found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(importlib.metadata, "version", of)
    return found


def test_there_are_two_ways(writer: Path) -> None:
    with refused(InputError, "'2bit'", "8bit", "4bit"):
        LanguageModel(writer, quantize="2bit")


@pytest.mark.parametrize("quantize", ["8bit", "4bit"])
@pytest.mark.parametrize("system", [LanguageModel, LLaVA, ImageQA, VideoQA])
def test_the_package_is_named_before_anything_is_fetched(
    system: type[Task], quantize: str, bitsandbytes: dict[str, str]
) -> None:
    names = ("publisher/model", "bitsandbytes is not installed", "this machine could use it on 'cpu'", "pip install")
    with refused(MissingDependencyError, *names):
        system("publisher/model", quantize=quantize, device="cpu").load()
    bitsandbytes["bitsandbytes"] = "0.41.0"
    with refused(MissingDependencyError, "bitsandbytes 0.41.0 is too old"):
        system("publisher/model", quantize=quantize, device="cpu").load()


def test_a_device_that_cannot(writer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "resolve_device", lambda wanted: "mps")
    with refused(UnsupportedError, "'mps'", "bitsandbytes", "device='cpu'"):
        LanguageModel(writer, quantize="4bit", device="mps").load()


def test_what_is_quantized_already_is_not_quantized_again(
    writer: Path, tmp_path: Path, bitsandbytes: dict[str, str]
) -> None:
    bitsandbytes["bitsandbytes"] = "0.46.1"
    folder = as_if_quantized(writer, tmp_path / "packed", {"quant_method": "gptq", "bits": 4})
    with refused(UnsupportedError, "'packed'", "GPTQ", "quantize"):
        LanguageModel(folder, quantize="4bit").load()


def test_what_cannot_be_quantized_says_so(tmp_path: Path, bitsandbytes: dict[str, str]) -> None:
    for system in (CLIP, SpeechToText, TextToImage, ImageQA):  # the starter's
        with refused(UnsupportedError, "quantize", "chat and language models"):
            system(quantize="8bit", profile="starter").load()
    with refused(UnsupportedError, "quantize", "chat and language models"):
        ControlNetGenerator(quantize="8bit")
    with refused(UnsupportedError, "'openai:llava'", "quantize"):
        LLaVA("openai:llava@http://127.0.0.1:9/v1", quantize="4bit").load()
    bitsandbytes["bitsandbytes"] = "0.46.1"
    with refused(UnsupportedError, "'blip'", "quantize"):
        ImageQA(tiny_blip(tmp_path / "blip"), quantize="4bit").load()


def test_a_process_of_its_own_on_a_server() -> None:
    plain, packed = (Caption(image="upload:a", model="socratic-image-qa", quantize=each) for each in (None, "4bit"))
    assert plain.opening_key != packed.opening_key
    assert plain.batch_key() != packed.batch_key()
    assert place(plain, EngineOptions(), 0).key != place(packed, EngineOptions(), 0).key


@pytest.mark.parametrize(("quantize", "named"), [("4bit", "bitsandbytes"), ("3bit", "'3bit'")])
def test_the_command_line_has_it(quantize: str, named: str, picture: Path, bitsandbytes: dict[str, str]) -> None:
    words = ["ask", str(picture), "What is this?", "--model", "publisher/model", "--device", "cpu"]
    ended = CliRunner().invoke(app, [*words, "--quantize", quantize])
    assert ended.exit_code != 0
    assert named in ended.stderr


def test_memory_is_that_of_the_smaller_weights() -> None:
    assert quantized_memory(800, None, torch.float32) == 800
    assert quantized_memory(800, "8bit", torch.float32) == 250
    assert quantized_memory(800, "4bit", torch.float16) == 300
    assert quantized_memory(800, "8bit", torch.float16) == 500
