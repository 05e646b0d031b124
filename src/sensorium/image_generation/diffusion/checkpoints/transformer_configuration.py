"""The configuration of FLUX or Stable Diffusion 3 in one file: what comes with this package, with the file's sizes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from sensorium.image_generation.diffusion.checkpoints.single_file_configuration import write_settings
from sensorium.image_generation.diffusion.checkpoints.single_file_sizes import (
    autoencoder_sizes,
    count_parts,
    text_encoder_sizes,
)
from sensorium.models.single_file import WeightsFile
from sensorium.models.transformer_painters import CLIP_G, CLIP_L, T5, TransformerPainter
from sensorium.unfinished import temporary_folder

_DATA = "sensorium.image_generation"
_HEAD = 64
"""Width of an attention head of Stable Diffusion 3, where no norm tells it."""
_FIXED_SCHEDULE = {"shift": 1.0, "use_dynamic_shifting": False}
"""Of FLUX.1 schnell, which takes no guidance."""


@contextmanager
def transformer_configuration_of(file: WeightsFile, painter: TransformerPainter) -> Iterator[Path]:
    """Give a folder in diffusers' layout that holds all of a painter but its weights and T5's vocabulary."""
    with temporary_folder("sensorium-") as folder:
        for name, settings in _settings(file, painter).items():
            write_settings(folder, name, settings)
        yield folder


def _settings(file: WeightsFile, painter: TransformerPainter) -> dict[str, dict[str, Any]]:
    flux = painter.pipeline.startswith("Flux")
    family = "flux" if flux else "stable-diffusion-3"
    text = package_files(_DATA).joinpath("data", "single_files", f"{family}.json").read_text(encoding="utf-8")
    settings: dict[str, dict[str, Any]] = json.loads(text)
    settings["model_index"]["_class_name"] = painter.pipeline
    prefix = painter.parts["transformer"]
    sizes = _flux_sizes(file, prefix) if flux else _stable_diffusion_3_sizes(file, prefix)
    settings["transformer"].update(sizes)
    if flux and not sizes["guidance_embeds"]:
        settings["scheduler"].update(_FIXED_SCHEDULE)
    if "vae" in painter.parts:
        settings["vae"].update(autoencoder_sizes(file))
    for name, beginning in painter.parts.items():
        if beginning in (CLIP_L, CLIP_G):
            settings[name].update(text_encoder_sizes(file, beginning))
        elif beginning == T5:
            settings[name].update(_t5_sizes(file))
    return settings


def _flux_sizes(file: WeightsFile, prefix: str) -> dict[str, Any]:
    head = file.width(f"{prefix}double_blocks.0.img_attn.norm.query_norm.scale")
    return {
        "in_channels": file.width(f"{prefix}img_in.weight", 1),
        "out_channels": file.width(f"{prefix}final_layer.linear.weight"),
        "num_layers": count_parts(file, f"{prefix}double_blocks."),
        "num_single_layers": count_parts(file, f"{prefix}single_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": file.width(f"{prefix}img_in.weight") // max(1, head),
        "joint_attention_dim": file.width(f"{prefix}txt_in.weight", 1),
        "pooled_projection_dim": file.width(f"{prefix}vector_in.in_layer.weight", 1),
        "guidance_embeds": file.has(f"{prefix}guidance_in."),
        # An eighth of a head counts along the sequence, the rest along height and width.
        "axes_dims_rope": [head // 8, 7 * head // 16, 7 * head // 16],
    }


def _stable_diffusion_3_sizes(file: WeightsFile, prefix: str) -> dict[str, Any]:
    width, patch = file.width(f"{prefix}x_embedder.proj.weight"), file.width(f"{prefix}x_embedder.proj.weight", 2)
    head = file.width(f"{prefix}joint_blocks.0.x_block.attn.ln_q.weight")
    twice = re.compile(re.escape(prefix) + r"joint_blocks\.(\d+)\.x_block\.attn2\.")
    return {
        "num_layers": count_parts(file, f"{prefix}joint_blocks."),
        "patch_size": patch,
        "in_channels": file.width(f"{prefix}x_embedder.proj.weight", 1),
        "out_channels": file.width(f"{prefix}final_layer.linear.weight") // max(1, patch**2),
        "attention_head_dim": head or _HEAD,
        "num_attention_heads": width // (head or _HEAD),
        "caption_projection_dim": width,
        "joint_attention_dim": file.width(f"{prefix}context_embedder.weight", 1),
        "pooled_projection_dim": file.width(f"{prefix}y_embedder.mlp.0.weight", 1),
        "pos_embed_max_size": math.isqrt(file.width(f"{prefix}pos_embed", 1)),
        "qk_norm": "rms_norm" if head else None,
        "dual_attention_layers": sorted({int(found[1]) for found in map(twice.match, file.shapes) if found}),
    }


def _t5_sizes(file: WeightsFile) -> dict[str, Any]:
    block = f"{T5}encoder.block.0.layer."
    buckets = f"{block}0.SelfAttention.relative_attention_bias.weight"
    heads = file.width(buckets, 1)
    return {
        "vocab_size": file.width(f"{T5}shared.weight"),
        "d_model": file.width(f"{T5}shared.weight", 1),
        "d_kv": file.width(f"{block}0.SelfAttention.q.weight") // max(1, heads),
        "d_ff": file.width(f"{block}1.DenseReluDense.wi_0.weight"),
        "num_layers": count_parts(file, f"{T5}encoder.block."),
        "num_heads": heads,
        "relative_attention_num_buckets": file.width(buckets),
    }
