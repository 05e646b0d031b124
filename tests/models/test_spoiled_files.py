"""Files that anybody may have written: refused in a sentence, without a hang, without running anything."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.control.control_network import ControlNetwork
from sensorium.language.language_model import LanguageModel
from sensorium.models.pickle_conversion import convert
from sensorium.models.preparation_settings import require_usable_settings
from sensorium.models.single_file import read_weights_file
from sensorium.models.unlisted_checkpoints import from_folder
from sensorium.vision_language.clip import CLIP
from tests.checkpoints.clip import tiny_clip
from tests.checkpoints.controlnet import tiny_controlnet
from tests.checkpoints.diffusion import tiny_stable_diffusion
from tests.language.tiny_language_models import tiny_causal_language_model
from tests.refusals import refused


def header(path: Path, tensors: dict[str, Any], **metadata: Any) -> Path:
    """Write a safetensors file that is all header: tensors without numbers, unless their entries say otherwise."""
    entries = {
        name: entry if isinstance(entry, dict) else {"dtype": "F32", "shape": entry, "data_offsets": [0, 0]}
        for name, entry in tensors.items()
    }
    text = json.dumps({**({"__metadata__": metadata} if metadata else {}), **entries}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    return path


@pytest.mark.parametrize("of", [0, 4, 7, 10, 12])
def test_a_list_that_is_longer_than_its_file_is_refused_at_once(of: int, tmp_path: Path) -> None:
    key = struct.pack("<Q", 1) + b"a"
    path = tmp_path / "endless.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + struct.pack("<IIQ", 9, of, 2**62))
    with refused(ModelUnavailableError, "endless.gguf"):
        read_weights_file(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [-1, 32], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": "12", "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
        {"dtype": "\x1b[31mF32", "shape": [1], "data_offsets": [0, 0]},
        {"dtype": 32, "shape": [1], "data_offsets": [0, 0]},
    ],
)
def test_a_header_that_no_program_writes_is_refused(entry: dict[str, Any], tmp_path: Path) -> None:
    with refused(ModelUnavailableError, "odd.safetensors"):
        read_weights_file(header(tmp_path / "odd.safetensors", {"a": entry}))


def test_only_a_gguf_file_is_a_language_model_by_its_architecture(tmp_path: Path) -> None:
    for architecture in ("llama", ["x"]):
        path = header(tmp_path / "a.safetensors", {"a": [1]}, **{"general.architecture": architecture})
        assert "language model" not in read_weights_file(path).sentence


@pytest.mark.parametrize(
    "tensors",
    [
        {"controlnet_cond_embedding.conv_in.weight": [8, 3, 3, 3], "a.attn2.to_k.weight": []},
        {"emb_params": []},
    ],
)
def test_shapes_that_no_model_has_are_told(tensors: dict[str, Any], tmp_path: Path) -> None:
    with refused(ModelUnavailableError, "odd.safetensors"):
        _ = read_weights_file(header(tmp_path / "odd.safetensors", tensors)).sentence


def test_a_network_of_more_parts_than_tensors_is_refused(tmp_path: Path) -> None:
    tensors = {
        "controlnet_cond_embedding.conv_in.weight": [8, 3, 3, 3],
        "conv_in.weight": [8, 4, 3, 3],
        "down_blocks.99999999.resnets.0.conv1.weight": [8, 8, 3, 3],
    }
    with refused(ModelUnavailableError, "deep.safetensors", "99999999"):
        ControlNetwork(header(tmp_path / "deep.safetensors", tensors)).settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("norm_num_groups", 0),
        ("attention_head_dim", 0),
        ("conditioning_embedding_out_channels", []),
        ("transformer_layers_per_block", []),
        ("down_block_types", [1, 2]),
    ],
)
def test_settings_that_no_network_can_have_are_refused(name: str, value: Any, network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "network"
    folder.mkdir()
    for file in network.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((network / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, name: value}), encoding="utf-8")
    with refused(ModelUnavailableError, "network"):
        ControlNetwork(folder).load()


_PREPARATION = {
    **{"size": {"shortest_edge": 224}, "crop_size": 224, "image_std": [0.3, 0.3, 0.3], "rescale_factor": 1 / 255},
    **{"hop_length": 160, "n_fft": 400, "feature_size": 80, "sampling_rate": 16_000, "padding_value": 0.0},
}


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("preprocessor_config.json", "image_std", [0, 0, 0]),
        ("preprocessor_config.json", "rescale_factor", 0.0),
        ("preprocessor_config.json", "size", {"height": 30_000, "width": 30_000}),
        ("preprocessor_config.json", "size", {"shortest_edge": 30_000}),
        ("preprocessor_config.json", "crop_size", 0),
        ("preprocessor_config.json", "hop_length", 0),
        ("processor_config.json", "sampling_rate", -16_000),
        ("feature_extractor/preprocessor_config.json", "image_std", [0.3, float("nan"), 0.3]),
    ],
)
def test_settings_that_would_show_at_use_are_refused(file: str, name: str, value: Any, tmp_path: Path) -> None:
    folder = tmp_path / "spoiled"
    path = folder / file
    path.parent.mkdir(parents=True)
    if path.parent != folder:
        (folder / "model_index.json").write_text("{}")
    checkpoint = from_folder(folder, "any")
    for settings in ({**_PREPARATION, name: value}, _PREPARATION):
        inside = {"image_processor": settings} if file == "processor_config.json" else settings
        path.write_text(json.dumps(inside), encoding="utf-8")
        if settings is not _PREPARATION:
            with refused(ModelUnavailableError, "spoiled", file, name):
                require_usable_settings(checkpoint, folder)
    require_usable_settings(checkpoint, folder)


@pytest.mark.parametrize(
    "size",
    [
        {"max_pixels": 12_845_056, "min_pixels": 3136},  # as Qwen2-VL was saved by transformers 4.45 to 4.48
        {"shortest_edge": 65_536, "longest_edge": 16_777_216},
        {"longest_edge": 4096},
    ],
)
def test_pixels_of_a_whole_picture_are_no_sides(size: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**_PREPARATION, "size": size}))
    require_usable_settings(from_folder(tmp_path, "any"), tmp_path)


def test_a_task_opens_no_checkpoint_of_such_settings(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "clip")
    file = folder / "preprocessor_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**settings, "image_std": [0.0, 0.0, 0.0]}), encoding="utf-8")
    with refused(ModelUnavailableError, "clip", "image_std"):
        CLIP(folder).load()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("networks")
    return tiny_controlnet(home / "network", tiny_stable_diffusion(home / "base"))


def test_converting_runs_nothing_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    for name in ("source", "target", "here"):
        (tmp_path / name).mkdir()
    weights = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": weights, "same": weights, "turned": weights.t()}, tmp_path / "source" / "pytorch_model.bin")
    (tmp_path / "here" / "torch.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.chdir(tmp_path / "here")
    convert(tmp_path / "source", "pytorch_model.bin", tmp_path / "target", None)
    assert not (tmp_path / "here" / "ran").exists()
    converted = load_file(tmp_path / "target" / "model.safetensors")
    assert torch.equal(converted["turned"], weights.t())
    assert torch.equal(converted["same"], weights)


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('System role not supported') }}", "{{ 1 / 0 }}", "{% for", "{{ messages[9].a }}"]
)
def test_a_template_that_cant_write_a_conversation_says_so(template: str, tmp_path: Path) -> None:
    folder = tiny_causal_language_model(tmp_path / "chat")
    for file in folder.glob("chat_template*"):
        file.unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with LanguageModel(folder) as model, refused(UnsupportedError, "chat", "system prompt"):
        model.generate("Hello", system="Be brief")
