"""Quantized checkpoints: what runs here gives what its unpacked weights give, and what doesn't says why."""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sensorium import LanguageModel, TextToImage
from sensorium.errors import MissingDependencyError, SensoriumError, UnsupportedError
from sensorium.image_generation.diffusion.checkpoints import checkpoint as opening
from sensorium.models.quantization import quantization_method
from tests.checkpoints.diffusion import tiny_stable_diffusion_3
from tests.checkpoints.quantized import as_if_quantized, in_fp8
from tests.language.tiny_language_models import tiny_causal_language_model
from tests.refusals import refused


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal_language_model(tmp_path_factory.mktemp("writer") / "plain")


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stable_diffusion_3(tmp_path_factory.mktemp("painter") / "plain")


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let these packages be all that is installed of what quantized checkpoints need."""
    true_version = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("torch", "torchvision", "transformers", "diffusers"):
            return true_version(name)
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_fp8_runs_as_its_unpacked_weights_do(writer: Path, tmp_path: Path) -> None:
    packed, unpacked = in_fp8(writer, tmp_path / "fp8", tmp_path / "unpacked")
    ids = torch.tensor([[3, 5, 7, 11]])
    with LanguageModel(packed) as ours, LanguageModel(unpacked) as reference, LanguageModel(writer) as full:
        models = [each.backend._model for each in (ours, reference, full)]  # type: ignore[attr-defined]
        with torch.no_grad():
            logits, expected, other = (model(ids).logits for model in models)
        assert models[0].dtype == torch.float32
        torch.testing.assert_close(logits, expected)
        assert not torch.allclose(other, expected)
        assert ours.generate("A cat", max_new_tokens=8) == reference.generate("A cat", max_new_tokens=8)


BITSANDBYTES = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
METHODS: list[tuple[dict[str, Any], type[SensoriumError], tuple[str, ...]]] = [
    (BITSANDBYTES, MissingDependencyError, ("bitsandbytes", "not installed", "pip install", "'cpu'")),
    ({"load_in_8bit": True}, MissingDependencyError, ("pip install 'bitsandbytes",)),
    ({"quant_method": "gptq", "bits": 4}, MissingDependencyError, ("GPTQ", "gptqmodel", "optimum")),
    ({"quant_method": "awq", "bits": 4}, MissingDependencyError, ("AWQ", "pip install gptqmodel")),
    ({"quant_method": "compressed-tensors"}, MissingDependencyError, ("pip install 'compressed-tensors",)),
    ({"quant_method": "torchao"}, MissingDependencyError, ("pip install 'torchao",)),
    ({"quant_method": "fbgemm_fp8"}, UnsupportedError, ("fbgemm-gpu", "CUDA GPU", "this machine has none")),
    ({"quant_method": "eetq"}, UnsupportedError, ("EETQ", "code")),
    ({"quant_method": "modelopt", "quant_algo": "FP8"}, UnsupportedError, ("NVIDIA ModelOpt", "transformers")),
    ({"quant_method": "nvfp4"}, UnsupportedError, ("NVFP4", "transformers")),
    ({"quant_method": "of-tomorrow"}, UnsupportedError, ("of-tomorrow", "transformers")),
    ({"bits": 4}, UnsupportedError, ("doesn't name",)),
]


@pytest.mark.parametrize(("settings", "kind", "names"), METHODS, ids=lambda value: str(value)[:30])
def test_what_cannot_run_here_says_why(
    settings: dict[str, Any],
    kind: type[SensoriumError],
    names: tuple[str, ...],
    writer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch)
    folder = as_if_quantized(writer, tmp_path / "packed", settings)
    with refused(kind, "'packed'", *names):
        LanguageModel(folder, device="cpu").load()


def test_a_package_that_is_too_old(writer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, bitsandbytes="0.40.0")
    folder = as_if_quantized(writer, tmp_path / "packed", BITSANDBYTES)
    with refused(MissingDependencyError, "bitsandbytes 0.40.0", "too old", "pip install"):
        LanguageModel(folder).load()


def test_settings_in_a_part_of_the_configuration(writer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(writer, tmp_path / "nested")
    (folder / "config.json").write_text('{"text_config": {"quantization_config": {"quant_method": "fp8"}}}')
    assert quantization_method(folder) == "fp8"


def test_mlx_writes_its_settings_twice(writer: Path, tmp_path: Path) -> None:
    table = {"group_size": 64, "bits": 4}
    folder = as_if_quantized(writer, tmp_path / "mlx", table, quantization=table)
    with refused(UnsupportedError, "MLX", "transformers"):
        LanguageModel(folder).load()


@pytest.mark.parametrize("name", ["quantize_config.json", "quant_config.json", "hf_quant_config.json"])
def test_older_layouts_say_it_in_a_file_of_their_own(name: str, writer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(writer, tmp_path / "older")
    (folder / name).write_text('{"bits": 4}')
    with refused(UnsupportedError, name):
        LanguageModel(folder).load()


@pytest.mark.parametrize(
    ("part", "settings", "kind", "names"),
    [
        ("transformer", BITSANDBYTES, UnsupportedError, ("bitsandbytes", "CUDA GPU", "this machine has none")),
        ("transformer", {"quant_method": "torchao"}, MissingDependencyError, ("pip install 'torchao",)),
        ("transformer", {"quant_method": "fp8"}, UnsupportedError, ("FP8", "diffusers")),
        ("vae", {"quant_method": "nunchaku_lite"}, UnsupportedError, ("Nunchaku", "code")),
        ("text_encoder_3", BITSANDBYTES, MissingDependencyError, ("pip install 'bitsandbytes",)),
    ],
)
def test_a_painters_component_is_refused_before_any_is_read(
    part: str,
    settings: dict[str, Any],
    kind: type[SensoriumError],
    names: tuple[str, ...],
    painter: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch)
    # What takes these functions by name must have done so before: it would keep the ones that are put in their place.
    importlib.import_module("sensorium.image_generation.diffusion.pipeline")
    for reader in ("open_model", "open_part", "open_diffusers_model"):
        monkeypatch.setattr(opening, reader, lambda *_, **__: pytest.fail("something was read"))
    folder = as_if_quantized(painter, tmp_path / "packed", settings, part=part)
    with refused(kind, f"'packed/{part}'", *names):
        TextToImage(folder, device="cpu").load()
