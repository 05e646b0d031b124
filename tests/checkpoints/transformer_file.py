"""FLUX and Stable Diffusion 3 as one file: the weights of a checkpoint under the names of the original programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.checkpoints.single_file import original_autoencoder

_PREFIX = "model.diffusion_model."
_FLUX = {
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "context_embedder": "txt_in",
    "x_embedder": "img_in",
    "proj_out": "final_layer.linear",
}
_FLUX_DOUBLE = {
    "norm1.linear": "img_mod.lin",
    "norm1_context.linear": "txt_mod.lin",
    "attn.norm_q.weight": "img_attn.norm.query_norm.scale",
    "attn.norm_k.weight": "img_attn.norm.key_norm.scale",
    "attn.norm_added_q.weight": "txt_attn.norm.query_norm.scale",
    "attn.norm_added_k.weight": "txt_attn.norm.key_norm.scale",
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
    "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0",
    "ff_context.net.2": "txt_mlp.2",
}
_FLUX_SINGLE = {
    "norm.linear": "modulation.lin",
    "proj_out": "linear2",
    "attn.norm_q.weight": "norm.query_norm.scale",
    "attn.norm_k.weight": "norm.key_norm.scale",
}
_FLUX_TOGETHER = {
    "attn.to_q attn.to_k attn.to_v": "img_attn.qkv",
    "attn.add_q_proj attn.add_k_proj attn.add_v_proj": "txt_attn.qkv",
}
_SD3 = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "context_embedder": "context_embedder",
    "proj_out": "final_layer.linear",
}
_SD3_BLOCK = {
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
    "attn.to_out.0": "x_block.attn.proj",
    "attn2.to_out.0": "x_block.attn2.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
_SD3_TOGETHER = {
    "attn.to_q attn.to_k attn.to_v": "x_block.attn.qkv",
    "attn2.to_q attn2.to_k attn2.to_v": "x_block.attn2.qkv",
    "attn.add_q_proj attn.add_k_proj attn.add_v_proj": "context_block.attn.qkv",
}


def original_transformer(folder: Path) -> dict[str, Any]:
    """Return the transformer of a checkpoint in diffusers' layout, under its original names."""
    tensors = _load(folder, "transformer")
    if any(name.startswith("single_transformer_blocks.") for name in tensors):
        top, blocks = _FLUX, {"transformer_blocks": ("double_blocks", _FLUX_DOUBLE, _FLUX_TOGETHER)}
        single = {"attn.to_q attn.to_k attn.to_v proj_mlp": "linear1"}
        blocks["single_transformer_blocks"] = ("single_blocks", _FLUX_SINGLE, single)
    else:
        top, blocks = _SD3, {"transformer_blocks": ("joint_blocks", _SD3_BLOCK, _SD3_TOGETHER)}
    found = dict(_renamed({n: v for n, v in tensors.items() if "transformer_blocks." not in n}, top, {}))
    for new, (old, names, together) in blocks.items():
        count = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith(f"{new}."))
        for number in range(count):
            inside = {
                name.removeprefix(f"{new}.{number}."): value
                for name, value in tensors.items()
                if name.startswith(f"{new}.{number}.")
            }
            last = old == "joint_blocks" and number == count - 1
            for name, value in _renamed(inside, names, together):
                swapped = last and name.startswith("context_block.adaLN")
                found[f"{old}.{number}.{name}"] = _swapped(value) if swapped else value
    for kind in ("weight", "bias"):
        found[f"final_layer.adaLN_modulation.1.{kind}"] = _swapped(tensors[f"norm_out.linear.{kind}"])
    return {name: value.contiguous() for name, value in found.items()}


def _renamed(
    tensors: Mapping[str, Any], names: Mapping[str, str], together: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    import torch

    for new, old in names.items():
        for name, value in tensors.items():
            if name == new:
                yield old, value
            elif re.fullmatch(re.escape(new) + r"\.(weight|bias)", name):
                yield old + name.removeprefix(new), value
    for several, old in together.items():
        for kind in ("weight", "bias"):
            values = [tensors[f"{new}.{kind}"] for new in several.split() if f"{new}.{kind}" in tensors]
            if values:
                yield f"{old}.{kind}", torch.cat(values)


def _swapped(value: Any) -> Any:
    import torch

    scale, shift = value.chunk(2)
    return torch.cat([shift, scale])


def write_transformer(folder: Path, file: Path, *, prefix: str = "") -> Path:
    """Write the transformer alone, as most FLUX files are."""
    from safetensors.torch import save_file

    save_file({prefix + name: value for name, value in original_transformer(folder).items()}, file)
    return file


def write_whole_file(folder: Path, file: Path, *, t5: bool) -> Path:
    """Write all parts into one file, as ComfyUI's checkpoints and ``sd3_medium_incl_clips`` hold them.

    Args:
        folder: The checkpoint in diffusers' layout.
        file: Where to write it.
        t5: Whether T5 goes along.
    """
    from safetensors.torch import save_file

    tensors = {f"{_PREFIX}{name}": value for name, value in original_transformer(folder).items()}
    flux = (folder / "tokenizer_2" / "spiece.model").is_file() or not (folder / "text_encoder_3").is_dir()
    start = "vae." if flux else "first_stage_model."
    tensors |= {start + name: value for name, value in original_autoencoder(_load(folder, "vae")).items()}
    encoders = {"text_encoder": "clip_l", "text_encoder_2": "t5xxl" if flux else "clip_g", "text_encoder_3": "t5xxl"}
    for part, name in encoders.items():
        if not (folder / part).is_dir() or (name == "t5xxl" and not t5):
            continue
        for key, value in _load(folder, part).items():
            clip = name != "t5xxl" and not key.startswith(("text_model.", "text_projection."))
            tensors[f"text_encoders.{name}.transformer.{'text_model.' if clip else ''}{key}"] = value
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, file)
    return file


def write_gguf(folder: Path, file: Path, *, architecture: str, kind: str = "Q8_0") -> Path:
    """Write the transformer as GGUF: matrices quantized, the rest in float32.

    Args:
        folder: The checkpoint in diffusers' layout.
        file: Where to write it.
        architecture: ``"flux"`` or ``"sd3"``.
        kind: Type of the matrices' numbers.
    """
    import gguf

    writer = gguf.GGUFWriter(str(file), architecture)
    quantized = gguf.GGMLQuantizationType[kind]
    for name, value in original_transformer(folder).items():
        numbers = value.float().numpy()
        if numbers.ndim == 2 and numbers.shape[1] % 32 == 0 and "blocks." in name:
            writer.add_tensor(name, gguf.quants.quantize(numbers, quantized), raw_dtype=quantized)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _load(folder: Path, part: str) -> dict[str, Any]:
    from safetensors.torch import load_file

    (weights,) = (folder / part).glob("*.safetensors")
    tensors: dict[str, Any] = load_file(weights)
    return tensors
