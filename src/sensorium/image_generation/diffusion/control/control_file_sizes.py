"""The settings of a control network that is a single file: as far as the shapes of its tensors tell them.

What they don't tell (activations, groups of normalisation) is in ``data/single_files``, by family, or diffusers' own
default.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from importlib.resources import files as package_files
from typing import Any

from sensorium.image_generation.diffusion.checkpoints.single_file_sizes import count_parts, denoiser_sizes
from sensorium.models.single_file import WeightsFile

ORIGINAL = ("control_model.", "")
"""What the names of a ControlNet's tensors begin with in the layout of its authors' program."""

_HEAD = 64
_HEADS_OF_THE_FIRST = 8
_XL_TEXT = 2048
"""How wide the states of XL's text encoders are: small ones have no layer left that reads them."""
_Z_IMAGE_LAYERS = 30
"""Of the painter. A ControlNet has a copy of some of them, at even distances."""
_FOR_INSTANCE = "transformer_blocks.0."
_ADAPTERS = {64: (1, 8), 192: (3, 8), 256: (1, 16), 768: (3, 16)}
"""From the numbers of a square of a picture to its channels and its side."""


def original_prefix(file: WeightsFile) -> str | None:
    """Return what the names of a ControlNet's tensors begin with in its authors' layout; None in diffusers' layout."""
    return next((prefix for prefix in ORIGINAL if file.has(f"{prefix}input_hint_block.0.")), None)


def control_file_config(file: WeightsFile) -> dict[str, Any]:
    """Return what the ``config.json`` of a control network would say that is one file.

    Args:
        file: One whose ``content.family`` is a class of control networks.
    """
    family = file.content.family
    return {"_class_name": family, **_SETTINGS[family](file)}


def _controlnet(file: WeightsFile) -> dict[str, Any]:
    prefix = original_prefix(file)
    sizes = _of_blocks(file) if prefix is None or file.content.family != "ControlNetModel" else _original(file, prefix)
    of_xl, linear = "projection_class_embeddings_input_dim" in sizes, len(sizes.pop("_projection")) == 2
    settings = _published("stable-diffusion-xl" if of_xl else "stable-diffusion-2" if linear else "stable-diffusion-1")
    if of_xl:
        settings["cross_attention_dim"] = _XL_TEXT
    settings.update(sizes)
    if not of_xl and not linear:
        settings["attention_head_dim"] = _HEADS_OF_THE_FIRST
    return _known(file.content.family, settings)


def _original(file: WeightsFile, prefix: str) -> dict[str, Any]:
    sizes = denoiser_sizes(file, prefix)
    hints = [f"{prefix}input_hint_block.{number}.weight" for number in range(0, 16, 2)]
    widths = [file.width(name) for name in hints]
    return {
        **{name: value for name, value in sizes.items() if not name.startswith("up_")},
        "conditioning_embedding_out_channels": [widths[0], *widths[2:-1:2]],
        "conditioning_channels": file.width(hints[0], 1),
        "_projection": _first_shape(file, ".1.proj_in.weight"),
    }


def _of_blocks(file: WeightsFile) -> dict[str, Any]:
    blocks = [f"down_blocks.{number}." for number in range(count_parts(file, "down_blocks."))]
    channels = [file.width(f"{block}resnets.0.conv1.weight") for block in blocks]
    attends = [file.has(f"{block}attentions.") for block in blocks]
    depths = [count_parts(file, f"{block}attentions.0.transformer_blocks.") for block in blocks]
    text = _first_shape(file, ".attn2.to_k.weight")
    reading = "controlnet_cond_embedding."
    steps = [f"{reading}blocks.{number}.weight" for number in range(count_parts(file, f"{reading}blocks."))]
    sizes: dict[str, Any] = {
        "in_channels": file.width("conv_in.weight", 1),
        "block_out_channels": channels,
        "layers_per_block": count_parts(file, f"{blocks[0]}resnets.") if blocks else 0,
        "down_block_types": ["CrossAttnDownBlock2D" if each else "DownBlock2D" for each in attends],
        # Some small ones have attention in which no layer is left.
        "transformer_layers_per_block": [depth if each else 1 for depth, each in zip(depths, attends, strict=True)],
        "attention_head_dim": [max(1, width // _HEAD) for width in channels],
        "conditioning_embedding_out_channels": [
            file.width(f"{reading}conv_in.weight"),
            *(file.width(step) for step in steps[1::2]),
        ],
        "conditioning_channels": file.width(f"{reading}conv_in.weight", 1),
        "_projection": _first_shape(file, ".proj_in.weight"),
    }
    if text:
        sizes["cross_attention_dim"] = text[1]
    if not file.has("mid_block.attentions."):
        sizes["mid_block_type"] = "UNetMidBlock2D"
    elif not attends[-1]:
        depth = count_parts(file, "mid_block.attentions.0.transformer_blocks.")
        sizes["transformer_layers_per_block"][-1] = depth
    if file.has("add_embedding."):
        sizes["projection_class_embeddings_input_dim"] = file.width("add_embedding.linear_1.weight", 1)
    return sizes


def _union(file: WeightsFile) -> dict[str, Any]:
    return _known(
        "ControlNetUnionModel",
        {
            **_controlnet(file),
            "num_control_type": file.width("task_embedding"),
            "num_trans_channel": file.width("task_embedding", 1),
            "num_trans_layer": count_parts(file, "transformer_layes."),
            "num_proj_channel": file.width("spatial_ch_projs.weight"),
        },
    )


def _flux(file: WeightsFile) -> dict[str, Any]:
    head = file.width(f"{_FOR_INSTANCE}attn.norm_q.weight") or file.width(
        "single_" + _FOR_INSTANCE + "attn.norm_q.weight"
    )
    return {
        "in_channels": file.width("x_embedder.weight", 1),
        "num_layers": count_parts(file, "transformer_blocks."),
        "num_single_layers": count_parts(file, "single_transformer_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": file.width("x_embedder.weight") // max(1, head),
        "joint_attention_dim": file.width("context_embedder.weight", 1),
        "pooled_projection_dim": file.width("time_text_embed.text_embedder.linear_1.weight", 1),
        "guidance_embeds": file.has("time_text_embed.guidance_embedder."),
        "num_mode": file.width("controlnet_mode_embedder.weight") or None,
        "conditioning_embedding_channels": file.width("input_hint_block.conv_out.weight") or None,
    }


def _stable_diffusion_3(file: WeightsFile) -> dict[str, Any]:
    width = file.width("pos_embed_input.proj.weight")
    reads_text = file.has("context_embedder.")
    positions = file.width("pos_embed.pos_embed", 1)
    channels = file.width("pos_embed.proj.weight", 1) or 16
    blocks = count_parts(file, "transformer_blocks.")
    return {
        "in_channels": channels,
        "extra_conditioning_channels": file.width("pos_embed_input.proj.weight", 1) - channels,
        "patch_size": file.width("pos_embed_input.proj.weight", 2),
        "num_layers": blocks,
        "attention_head_dim": _HEAD,
        "num_attention_heads": width // _HEAD,
        "joint_attention_dim": file.width("context_embedder.weight", 1) if reads_text else None,
        "caption_projection_dim": file.width("context_embedder.weight") or width,
        "pooled_projection_dim": file.width("time_text_embed.text_embedder.linear_1.weight", 1),
        "dual_attention_layers": [
            number for number in range(blocks) if file.has(f"transformer_blocks.{number}.attn2.")
        ],
        "qk_norm": "rms_norm" if file.has(f"{_FOR_INSTANCE}attn.norm_q.") else None,
        "use_pos_embed": file.has("pos_embed."),
        "pos_embed_max_size": round(positions**0.5) or 96,
        # Those that read no text were trained with its summary.
        "force_zeros_for_pooled_projection": reads_text,
    }


def _qwen_image(file: WeightsFile) -> dict[str, Any]:
    head = file.width(f"{_FOR_INSTANCE}attn.norm_q.weight")
    channels = file.width("img_in.weight", 1)
    return {
        "in_channels": channels,
        "extra_condition_channels": file.width("controlnet_x_embedder.weight", 1) - channels,
        "num_layers": count_parts(file, "transformer_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": file.width("img_in.weight") // max(1, head),
        "joint_attention_dim": file.width("txt_norm.weight"),
    }


def _z_image(file: WeightsFile) -> dict[str, Any]:
    first = "control_layers.0.attention."
    width, head = file.width(f"{first}to_q.weight"), file.width(f"{first}norm_q.weight")
    layers, refiners = count_parts(file, "control_layers."), count_parts(file, "control_noise_refiner.")
    refining = file.has("control_noise_refiner.0.before_proj.")
    return {
        "control_layers_places": list(range(0, _Z_IMAGE_LAYERS, _Z_IMAGE_LAYERS // max(1, layers)))[:layers],
        "control_refiner_layers_places": list(range(refiners)) if refining else None,
        "add_control_noise_refiner": "control_noise_refiner" if refining else None,
        "control_in_dim": file.width("control_all_x_embedder.2-1.weight", 1) // 4,
        "dim": width,
        "n_heads": width // max(1, head),
        "n_kv_heads": file.width(f"{first}to_k.weight") // max(1, head),
        "n_refiner_layers": refiners,
    }


def _adapter(file: WeightsFile) -> dict[str, Any]:
    body = "adapter.body."
    blocks = range(count_parts(file, body))
    light = f"{body}0.out_conv.weight" in file.shapes
    numbers = file.width(f"{body}0.in_conv.weight" if light else "adapter.conv_in.weight", 1)
    in_channels, side = _ADAPTERS.get(numbers, (3, 8))
    last = "out_conv.weight" if light else "resnets.0.block2.weight"
    channels = [file.width(f"{body}{number}.{last}") for number in blocks]
    return {
        "in_channels": in_channels,
        "downscale_factor": side,
        "channels": channels[:-1] if light else channels,
        "num_res_blocks": count_parts(file, f"{body}0.resnets."),
        "adapter_type": "light_adapter" if light else "full_adapter_xl" if side == 16 else "full_adapter",
    }


_SETTINGS: Mapping[str, Callable[[WeightsFile], dict[str, Any]]] = {
    "ControlNetModel": _controlnet,
    "ControlNetUnionModel": _union,
    "FluxControlNetModel": _flux,
    "QwenImageControlNetModel": _qwen_image,
    "ZImageControlNetModel": _z_image,
    "SD3ControlNetModel": _stable_diffusion_3,
    "T2IAdapter": _adapter,
}


def _published(family: str) -> dict[str, Any]:
    path = package_files("sensorium.image_generation").joinpath("data", "single_files", f"{family}.json")
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["unet"]
    return settings


def _known(family: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    import diffusers

    parameters = inspect.signature(getattr(diffusers, family).__init__).parameters
    return {name: value for name, value in settings.items() if name in parameters}


def _first_shape(file: WeightsFile, ending: str) -> tuple[int, ...]:
    return next((shape for name, shape in file.shapes.items() if name.endswith(ending)), ())
