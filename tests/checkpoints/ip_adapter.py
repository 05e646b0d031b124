"""Tiny IP-Adapters in the published layout: flat names in a safetensors file, and an image encoder in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

Kind = Literal["plain", "plus", "full-face", "face-id"]

HIDDEN, PROJECTED, SIDE = 32, 24, 30
"""Of the image encoder: the width of its layers and of its result, and the side of the pictures that it sees."""


def tiny_image_encoder(folder: Path, *, projected: int = PROJECTED, seed: int = 0) -> Path:
    """Write an image encoder like ``models/image_encoder`` of h94/IP-Adapter, with hidden sizes of tens."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=10,
        projection_dim=projected,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def tiny_ip_adapter(file: Path, base: Path, kind: Kind = "plain", *, projected: int = PROJECTED, seed: int = 0) -> Path:
    """Write an IP-Adapter for a tiny checkpoint, as the original program names its layers.

    Args:
        file: Its parent is created.
        base: The checkpoint that it is for, a folder in diffusers' layout.
        kind: ``"plain"`` as ``ip-adapter_sd15``, ``"plus"`` as ``ip-adapter-plus_sd15`` and
            ``ip-adapter-plus-face_sd15``, ``"full-face"`` as ``ip-adapter-full-face_sd15``, ``"face-id"`` as
            ``ip-adapter-faceid_sd15``.
        projected: Width of the image encoder's result, which the plain kind reads.
        seed: Of its weights.
    """
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    width = unet.config.cross_attention_dim
    tensors = {f"image_proj.{name}": tensor for name, tensor in _projection(kind, width, projected).items()}
    order = [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(order):
        hidden = unet.get_submodule(name).to_k.out_features
        for layer in ("to_k_ip", "to_v_ip"):
            tensors[f"ip_adapter.{2 * number + 1}.{layer}.weight"] = torch.randn(hidden, width) / 4
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def _projection(kind: Kind, width: int, projected: int) -> dict[str, Any]:
    from torch import nn

    if kind == "plain":
        return _named(proj=nn.Linear(projected, 4 * width), norm=nn.LayerNorm(width))
    if kind == "full-face":
        inside, outside = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, width)
        return _named(**{"proj.0": inside, "proj.2": outside, "proj.3": nn.LayerNorm(width)})
    if kind == "face-id":
        layers = {"proj.0": nn.Linear(16, 32), "proj.2": nn.Linear(32, 4 * width), "norm": nn.LayerNorm(width)}
        return _named(**layers)
    return _resampler(width)


def _resampler(width: int) -> dict[str, Any]:
    import torch
    from torch import nn

    inside, head = 64, 64
    tensors = {"latents": torch.randn(1, 4, inside)}
    tensors |= _named(
        proj_in=nn.Linear(HIDDEN, inside), proj_out=nn.Linear(inside, width), norm_out=nn.LayerNorm(width)
    )
    for number in range(4):
        layers = {
            "0.norm1": nn.LayerNorm(inside),
            "0.norm2": nn.LayerNorm(inside),
            "0.to_q": nn.Linear(inside, head, bias=False),
            "0.to_kv": nn.Linear(inside, 2 * head, bias=False),
            "0.to_out": nn.Linear(head, inside, bias=False),
            "1.0": nn.LayerNorm(inside),
            "1.1": nn.Linear(inside, 4 * inside, bias=False),
            "1.3": nn.Linear(4 * inside, inside, bias=False),
        }
        tensors |= _named(**{f"layers.{number}.{name}": layer for name, layer in layers.items()})
    return tensors


def _named(**layers: Any) -> dict[str, Any]:
    return {f"{name}.{key}": tensor for name, layer in layers.items() for key, tensor in layer.state_dict().items()}
