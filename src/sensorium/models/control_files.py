"""Which control network a single safetensors file is, by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""From the name of each tensor to its shape."""

_TEXT_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
_READS_TEXT = re.compile(r"attn2\.to_k\.weight$")
_LAYOUT = "Choose its repository in diffusers' layout"
_OTHERS = (
    (("lllite_",), "ControlNet-LLLite", "a ControlNet-LLLite", "Choose a ControlNet of the usual kind"),
    (("lora_controlnet",), "Control-LoRA", "a Control-LoRA", "Choose a ControlNet of the usual kind"),
    (("body.0.",), "T2I-Adapter", "a T2I-Adapter in the layout of its authors' program", _LAYOUT),
)
"""How the names of their tensors begin; what they are; what to do."""


def control_network(shapes: Shapes) -> tuple[str, str, str] | None:
    """Return the class of diffusers that opens a control network, what it is, and what to do with it.

    Args:
        shapes: The tensors of any weights file.

    Returns:
        For one that no class opens, a word for its kind comes first. None for any other file.
    """
    for prefixes, family, description, use in _OTHERS:
        if _has(shapes, *prefixes):
            return family, description, use
    if _has(shapes, "controlnet_blocks.") and _has(shapes, "double_blocks."):
        return "ControlNet", "a ControlNet for FLUX in the layout of XLabs' program", _LAYOUT
    family, name, base = _openable(shapes)
    if not family:
        return None
    use = f"Name a painter{f' of {base}' if base else ''}, and give this file with --controlnet KIND=FILE"
    return family, f"{name} for {base}" if base else name, use


def _openable(shapes: Shapes) -> tuple[str, str, str]:
    if _has(shapes, "adapter.body.0."):
        # A picture of 1 or 3 channels comes in squares of 8 by 8 points, or for XL of 16 by 16.
        large = shapes.get("adapter.conv_in.weight", (0, 0))[1] >= 256
        return "T2IAdapter", "a T2I-Adapter", "Stable Diffusion XL" if large else "Stable Diffusion 1 or 2"
    if _has(shapes, "controlnet_x_embedder.") and _has(shapes, "context_embedder."):
        union = _has(shapes, "controlnet_mode_embedder.")
        return "FluxControlNetModel", "a union ControlNet" if union else "a ControlNet", "FLUX"
    if _has(shapes, "control_all_x_embedder.") and _has(shapes, "control_layers."):
        return "ZImageControlNetModel", "a ControlNet", "Z-Image"
    if _has(shapes, "controlnet_blocks.") and _has(shapes, "img_in."):
        return "QwenImageControlNetModel", "a ControlNet", "Qwen-Image"
    if _has(shapes, "controlnet_blocks.") and _has(shapes, "pos_embed_input."):
        return "SD3ControlNetModel", "a ControlNet", "Stable Diffusion 3"
    if _has(shapes, "task_embedding") and _has(shapes, "controlnet_cond_embedding."):
        return "ControlNetUnionModel", "a union ControlNet", "Stable Diffusion XL"
    if _has(shapes, "control_model.input_hint_block.", "input_hint_block.", "controlnet_cond_embedding."):
        return "ControlNetModel", "a ControlNet", _stable_diffusion(shapes)
    return "", "", ""


def _stable_diffusion(shapes: Shapes) -> str:
    if _has(shapes, "add_embedding.", "label_emb.", "control_model.label_emb."):
        return "Stable Diffusion XL"
    widths = {shape[-1] for name, shape in shapes.items() if _READS_TEXT.search(name)}
    return next((_TEXT_WIDTHS[width] for width in widths if width in _TEXT_WIDTHS), "")


def _has(shapes: Shapes, *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in shapes)
