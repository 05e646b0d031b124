"""LoHa and LoKr paint like a checkpoint with their differences added; other files are called what they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sensorium import TextToImage
from sensorium.errors import InputError, UnsupportedError
from tests.checkpoints.diffusion import tiny_lora
from tests.refusals import refused

Tensors = dict[str, torch.Tensor]
LAYERS = {
    ("unet", "lora_unet_"): [
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
        "down_blocks.0.resnets.0.conv1",
    ],
    ("text_encoder", "lora_te_"): ["text_model.encoder.layers.0.self_attn.q_proj"],
}
RANK, ALPHA = 2, 1.0


def loha(shape: torch.Size) -> tuple[Tensors, torch.Tensor]:
    out, inside = shape[0], shape[1:].numel()
    made = {
        f"hada_w{n}_{part}": torch.randn(size)
        for n in (1, 2)
        for part, size in (("a", (out, RANK)), ("b", (RANK, inside)))
    }
    difference = (made["hada_w1_a"] @ made["hada_w1_b"]) * (made["hada_w2_a"] @ made["hada_w2_b"])
    return {**made, "alpha": torch.tensor(ALPHA)}, difference.reshape(shape) * ALPHA / RANK


def lokr(shape: torch.Size) -> tuple[Tensors, torch.Tensor]:
    """The first factor whole, the second a product."""
    inside = shape[1:].numel() // 2
    made = {
        "lokr_w1": torch.randn(2, 2),
        "lokr_w2_a": torch.randn(shape[0] // 2, RANK),
        "lokr_w2_b": torch.randn(RANK, inside),
    }
    second = (made["lokr_w2_a"] @ made["lokr_w2_b"]).reshape(shape[0] // 2, shape[1] // 2, *shape[2:])
    return {**made, "alpha": torch.tensor(ALPHA)}, _kron(made["lokr_w1"], second) * ALPHA / RANK


def whole_lokr(shape: torch.Size) -> tuple[Tensors, torch.Tensor]:
    """Both factors whole: alpha doesn't count."""
    made = {"lokr_w1": torch.randn(4, 4), "lokr_w2": torch.randn(shape[0] // 4, shape[1] // 4, *shape[2:])}
    return {**made, "alpha": torch.tensor(0.25)}, _kron(made["lokr_w1"], made["lokr_w2"])


def _kron(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.kron(first.reshape(*first.shape, *[1] * (second.dim() - 2)), second)


def write(
    base: Path, file: Path, merged: Path, make: Callable[[torch.Size], tuple[Tensors, torch.Tensor]]
) -> tuple[Path, Path]:
    """Write a file as LyCORIS does, and the checkpoint with the file's differences added to its weights."""
    torch.manual_seed(3)
    tensors: Tensors = {}
    shutil.copytree(base, merged)
    for (component, prefix), layers in LAYERS.items():
        (weights_file,) = (merged / component).glob("*.safetensors")
        weights = load_file(weights_file)
        for layer in layers:
            stored = next(
                name for name in weights if name in (f"{layer}.weight", f"{layer.removeprefix('text_model.')}.weight")
            )
            made, difference = make(weights[stored].shape)
            weights[stored] = weights[stored] + difference
            tensors |= {
                f"{prefix}{layer.replace('.', '_')}.{name}": tensor.contiguous() for name, tensor in made.items()
            }
        save_file(weights, weights_file, metadata={"format": "pt"})
    save_file(tensors, file)
    return file, merged


def paint(painter: TextToImage, **options: Any) -> Any:
    return np.asarray(painter.generate("a cat", steps=2, seed=1, **options)[0], dtype=int)


@pytest.mark.parametrize("make", [loha, lokr, whole_lokr])
def test_they_paint_like_a_checkpoint_with_the_differences_added(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path, make: Any
) -> None:
    file, merged = write(stable_diffusion, tmp_path / "style.safetensors", tmp_path / "merged", make)
    before = paint(painter)
    with TextToImage(merged, device="cpu") as other:
        expected = paint(other)
        assert np.abs(expected - before).max() > 1
        assert np.abs(paint(painter, lora=[(file, 1.0)]) - expected).max() <= 1
        ink = tiny_lora(tmp_path / "ink.safetensors", stable_diffusion)
        both = paint(painter, lora=[(file, 1.0), (ink, 0.5)])
        assert np.abs(both - paint(other, lora=[(ink, 0.5)])).max() <= 1
    assert (paint(painter) == before).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("emb_params", "textual inversion"),
        ("clip_g", "textual inversion"),
        ("<my-cat>", "textual inversion"),
        ("image_proj.proj.weight", "IP-Adapter"),
        ("ip_adapter.0.to_q_lora.down.weight", "IP-Adapter"),
        ("model.diffusion_model.input_blocks.0.0.weight", "whole checkpoint"),
        ("double_blocks.0.img_attn.qkv.weight", "denoiser"),
        ("down_blocks.0.resnets.0.conv1.weight", "denoiser"),
        ("decoder.conv_in.weight", "VAE"),
        ("text_model.embeddings.token_embedding.weight", "text encoder"),
        ("control_model.input_blocks.0.0.weight", "ControlNet"),
        ("lora_unet_down_blocks_0.diff", "difference"),
        ("lora_unet_down_blocks_0.oft_blocks", "OFT"),
        ("lora_unet_down_blocks_0.a1.weight", "GLoRA"),
    ],
)
def test_files_of_other_kinds_are_called_what_they_are(
    painter: TextToImage, tmp_path: Path, name: str, kind: str
) -> None:
    save_file({name: torch.zeros(2, 2)}, tmp_path / "file.safetensors")
    with refused(InputError, "file.safetensors", kind):
        painter.generate("a cat", steps=1, lora=tmp_path / "file.safetensors")


def test_what_does_not_fit_is_refused_and_leaves_nothing(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path
) -> None:
    file, _ = write(stable_diffusion, tmp_path / "style.safetensors", tmp_path / "merged", loha)
    before, tensors = paint(painter), load_file(file)
    other = {name.replace("attn1_to_q", "attn9_to_q"): tensor for name, tensor in tensors.items()}
    save_file(other, tmp_path / "names.safetensors")
    wide = {
        name: torch.cat([tensor, tensor], -1) if name.endswith("_b") else tensor for name, tensor in tensors.items()
    }
    save_file(wide, tmp_path / "wide.safetensors")
    for name in ("names.safetensors", "wide.safetensors"):
        with refused(InputError, name, "StableDiffusionPipeline"):
            paint(painter, lora=tmp_path / name)
    layer = next(iter(tensors)).rpartition(".")[0]
    save_file({**tensors, f"{layer}.dora_scale": torch.ones(1)}, tmp_path / "dora.safetensors")
    with refused(UnsupportedError, "dora.safetensors", "dora_scale"):
        paint(painter, lora=tmp_path / "dora.safetensors")
    assert (paint(painter) == before).all()
