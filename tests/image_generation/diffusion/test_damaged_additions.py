"""Embeddings, LoRA files and IP-Adapters that are cut off or damaged are called that, and spoil no other call."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

from sensorium import IPAdapter, TextToImage
from sensorium.errors import InputError, ModelUnavailableError
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
