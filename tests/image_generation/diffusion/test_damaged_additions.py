"""Embeddings, LoRA files and IP-Adapters that are cut off or damaged are called that, and spoil no other call."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

from sensorium import IPAdapter, TextToImage
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.image_generation.diffusion.additions.named_files import NamedFiles
from sensorium.image_generation.diffusion.additions.textual_inversion import read_embeddings
from sensorium.image_generation.ip_adapter import adapter_on_the_hub, same_image_prompts
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.models.lora_names import hub_lora
from tests.checkpoints.diffusion import tiny_lora
from tests.checkpoints.ip_adapter import tiny_image_encoder, tiny_ip_adapter
from tests.refusals import refused

FEW: dict[str, Any] = {"steps": 1, "seed": 1, "width": 64, "height": 64}


def cut(whole: bytes) -> bytes:
    return whole[:-100]


def _with_entries(whole: bytes, **changed: Any) -> bytes:
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    for name, entry in header.items():
        if name != "__metadata__":
            entry.update(changed)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + whole[8 + length :]


def of_no_shape(whole: bytes) -> bytes:
    return _with_entries(whole, shape=[-1, 32])


def of_no_type(whole: bytes) -> bytes:
    return _with_entries(whole, dtype="F99")


@pytest.mark.parametrize("damage", [cut, of_no_shape, of_no_type])
def test_embeddings(
    painter: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    """Those of the user's own folder are passed over with a note."""
    file = tmp_path / "own" / "ink.safetensors"
    file.parent.mkdir()
    save_file({"emb_params": torch.zeros(2, 32)}, file)
    file.write_bytes(damage(file.read_bytes()))
    with refused(InputError, "ink.safetensors", "cut off", "damaged"):
        painter.generate("a cat, ink", embeddings=file, **FEW)
    with refused(InputError, "cut off", "damaged"):
        painter.generate("a cat, ink", embeddings=[(file.read_bytes(), "ink")], **FEW)
    plain = painter.generate("a cat, ink", **FEW)[0]
    monkeypatch.setenv("SENSORIUM_EMBEDDINGS", str(file.parent))
    painted = painter.generate("a cat, ink", **FEW)
    assert painted[0].tobytes() == plain.tobytes()
    (note,) = painted.notes
    assert "ink.safetensors" in note
    assert "damaged" in note
    assert painter.generate("a cat", **FEW).notes == ()


@pytest.mark.parametrize("damage", [cut, of_no_shape, of_no_type])
def test_lora_files(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = tiny_lora(tmp_path / "ink.safetensors", stable_diffusion)
    file.write_bytes(damage(file.read_bytes()))
    for given in (file, file.read_bytes()):
        with refused(InputError, "cut off", "damaged"):
            painter.generate("a cat", lora=given, **FEW)


def test_ip_adapters(painter: TextToImage, stable_diffusion: Path, tmp_path: Path, cat: PIL.Image.Image) -> None:
    tiny_image_encoder(tmp_path / "image_encoder")
    file = tiny_ip_adapter(tmp_path / "adapter.safetensors", stable_diffusion)
    file.write_bytes(cut(file.read_bytes()))
    for given in (file, file.read_bytes()):
        with refused(ModelUnavailableError, "cut off"):
            painter.generate("a cat", ip_adapter=IPAdapter(cat, given), **FEW)


def test_what_is_called_like_a_file_and_is_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.safetensors").mkdir()
    assert NamedFiles(tmp_path, "SENSORIUM_LORAS").files == ()


def test_a_word_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with refused(InputError, "5"):
        read_embeddings([(tmp_path / "a.safetensors", 5)])


@pytest.mark.parametrize("scale", [float("nan"), 1e30])
def test_what_a_picture_says_of_its_adapter_is_checked(scale: float) -> None:
    table = dict.fromkeys(("name", "revision", "sha256", "encoder", "part"), "") | {"images": [], "scale": scale}
    settings = PictureSettings("text-to-image", "a cat", "", 1, 64, 64, "model", ip_adapters=(table,))
    with refused(InputError, str(scale)):
        same_image_prompts(settings, ())
    with refused(InputError, "IP-Adapter"):
        same_image_prompts(replace(settings, ip_adapters=({},)), ())


@pytest.mark.parametrize("name", ["a/b/no\0pe.safetensors", f"a/b/{'x' * 300}.safetensors"])
def test_names_that_no_file_can_have_name_none_on_the_hub(name: str) -> None:
    assert hub_lora(name) is None
    assert adapter_on_the_hub(name) is None
