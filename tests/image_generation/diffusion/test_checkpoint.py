"""Diffusion checkpoints that are broken, half there, or there in half precision."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sensorium import TextToImage
from sensorium.errors import InsufficientMemoryError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.models import device


@pytest.fixture
def copy(stable_diffusion: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stable_diffusion, tmp_path / "broken"))


def _drop_one_weight(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["conv_in.bias"]
    save_file(tensors, file, metadata={"format": "pt"})


def _drop_one_weight_of_transformers(folder: Path) -> None:
    file = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(file)
    del tensors[min(tensors)]
    save_file(tensors, file, metadata={"format": "pt"})


def _only_a_pickle(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").rename(folder / "vae" / "diffusion_pytorch_model.bin")


def _shard_missing(folder: Path) -> None:
    unet = folder / "unet"
    first = "diffusion_pytorch_model-00001-of-00002.safetensors"
    (unet / "diffusion_pytorch_model.safetensors").rename(unet / first)
    index = {"weight_map": {"a": first, "b": first.replace("00001-of", "00002-of")}}
    (unet / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))


def _cut_short(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def _index_of(folder: Path, **values: Any) -> None:
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **values}))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "its component 'vae' is missing"),
        (lambda folder: (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink(), "'unet' has no weights"),
        (lambda folder: shutil.rmtree(folder / "tokenizer"), "its component 'tokenizer' is missing"),
        (lambda folder: (folder / "unet" / "config.json").write_text("{"), r"'broken/unet' can't be opened"),
        (lambda folder: (folder / "model_index.json").write_text("{"), r"model_index\.json"),
        (_drop_one_weight, r"'broken/unet' can't be opened: 1 of its weights are missing, such as 'conv_in\.bias'"),
        (_drop_one_weight_of_transformers, "'broken/text_encoder' can't be opened: 1 of its weights are missing"),
        (_only_a_pickle, "the weights of its component 'vae' only as a pickle"),
        (_shard_missing, "some of the weights of its component 'unet' are missing"),
        (_cut_short, "'broken/unet' can't be opened: its weights or its config"),
        (lambda folder: _index_of(folder, unet=["diffusers", "NoSuchModel"]), "needs NoSuchModel of diffusers"),
        (lambda folder: _index_of(folder, _class_name="NoSuchPipeline"), "its family is 'NoSuchPipeline'"),
        (lambda folder: (folder / "unet" / "diffusers.py").write_text(""), "brings program code of its own"),
    ],
)
def test_damage_is_one_sentence_that_names_the_component(
    copy: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    damage(copy)
    with pytest.raises((ModelUnavailableError, UnsupportedError), match=sentence) as caught:
        TextToImage(copy).load()
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_files_in_half_precision_open_where_there_are_no_others(copy: Path, painter: TextToImage) -> None:
    for file in copy.rglob("*.safetensors"):
        tensors = {
            name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in load_file(file).items()
        }
        save_file(tensors, file.with_name(f"{file.stem}.fp16.safetensors"), metadata={"format": "pt"})
        file.unlink()
    with TextToImage(copy) as half_files:
        backend: Any = half_files.backend
        assert next(backend.components["unet"].parameters()).dtype == torch.float32
        rounded = half_files.generate("a cat", steps=1, seed=1)[0]
    assert rounded.size == painter.generate("a cat", steps=1, seed=1)[0].size
    (copy / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    with pytest.raises(ModelUnavailableError, match="component 'vae' has no weights"):
        TextToImage(copy, device="cpu").load()


def test_a_missing_safety_checker_is_said_in_the_result(copy: Path) -> None:
    shutil.rmtree(copy / "safety_checker")
    with TextToImage(copy) as unchecked:
        assert unchecked.generate("a cat", steps=1)[0].settings.safety == "not checked"


def test_weights_that_do_not_fit_into_memory(stable_diffusion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_memory", lambda: 1000)
    with pytest.raises(InsufficientMemoryError, match="of memory, and"):
        TextToImage(stable_diffusion, dtype="float16").load()


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SensoriumError, match="holds no checkpoint"):
        TextToImage(tmp_path / "empty").load()
