"""Painters as one safetensors file: the weights of a checkpoint under the names of the original programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def write_single_file(folder: Path, file: Path, *, metadata: Mapping[str, str] | None = None, **further: Any) -> Path:
    """Write a checkpoint of Stable Diffusion 1, 2 or XL in diffusers' layout as one file.

    Args:
        folder: The checkpoint, such as one of `tests.checkpoints.diffusion`.
        file: Where to write it.
        metadata: Written into its header.
        further: Tensors to add; None leaves those out whose names begin so, with "_" for ".".
    """
    from safetensors.torch import load_file, save_file

    def part(name: str) -> dict[str, Any]:
        (weights,) = (folder / name).glob("*.safetensors")
        tensors: dict[str, Any] = load_file(weights)
        return tensors

    tensors = {f"model.diffusion_model.{name}": value for name, value in _unet(part("unet")).items()}
    tensors |= {f"first_stage_model.{name}": value for name, value in original_autoencoder(part("vae")).items()}
    if (folder / "text_encoder_2").is_dir():
        tensors |= _clip(part("text_encoder"), "conditioner.embedders.0.transformer.")
        tensors |= _open_clip(part("text_encoder_2"), "conditioner.embedders.1.model.")
    elif _is_open_clip(folder):
        tensors |= _open_clip(part("text_encoder"), "cond_stage_model.model.")
    else:
        tensors |= _clip(part("text_encoder"), "cond_stage_model.transformer.")
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()} | further, file, metadata=metadata)
    return file


def write_original_controlnet(folder: Path, file: Path, *, prefix: str = "control_model.") -> Path:
    """Write a ControlNet in diffusers' layout as one file, under the names of its authors' program.

    Args:
        folder: One that reads maps in the published eight steps.
        file: Where to write it.
        prefix: What all names begin with; some programs leave it out.
    """
    from safetensors.torch import load_file, save_file

    (weights,) = folder.glob("*.safetensors")
    tensors = load_file(weights)
    own = {name: value for name, value in tensors.items() if name.startswith("controlnet_")}
    named = _unet({name: value for name, value in tensors.items() if name not in own})
    named |= {_control_name(name): value for name, value in own.items()}
    save_file({f"{prefix}{name}": value.contiguous() for name, value in named.items()}, file)
    return file


def _control_name(name: str) -> str:
    where, *rest = name.split(".")
    if where == "controlnet_mid_block":
        return ".".join(["middle_block_out.0", *rest])
    if where == "controlnet_down_blocks":
        return ".".join([f"zero_convs.{rest[0]}.0", *rest[1:]])
    if rest[0] == "blocks":
        return f"input_hint_block.{2 * int(rest[1]) + 2}.{rest[2]}"
    return f"input_hint_block.{0 if rest[0] == 'conv_in' else 14}.{rest[1]}"


def _is_open_clip(folder: Path) -> bool:
    return '"hidden_act": "gelu"' in (folder / "text_encoder" / "config.json").read_text()


def _unet(tensors: Mapping[str, Any]) -> dict[str, Any]:
    blocks = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("down_blocks."))
    layers = 1 + max(int(name.split(".")[3]) for name in tensors if name.startswith("down_blocks.0.resnets."))
    attends = {name.split(".")[1] for name in tensors if name.startswith("up_blocks.") and ".attentions." in name}
    return {_unet_name(name, layers, blocks, attends): value for name, value in tensors.items()}


def _unet_name(name: str, layers: int, blocks: int, attends: set[str]) -> str:
    for new, old in _UNET.items():
        if name.startswith(f"{new}."):
            return old + name.removeprefix(new)
    where, *rest = name.split(".")
    if where == "mid_block":
        kind, number, *inner = rest
        place = f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}"
        return ".".join([place, _inner(inner, kind)])
    block, kind, number, *inner = rest
    down = where == "down_blocks"
    first = int(block) * (layers + 1) + (1 if down else 0)
    if kind == "downsamplers":
        return ".".join([f"input_blocks.{first + layers}.0.op", *inner[1:]])
    if kind == "upsamplers":
        return ".".join([f"output_blocks.{first + layers}.{2 if block in attends else 1}", *inner])
    place = f"{'input' if down else 'output'}_blocks.{first + int(number)}.{1 if kind == 'attentions' else 0}"
    return f"{place}.{_inner(inner, kind)}"


def _inner(inner: list[str], kind: str) -> str:
    return ".".join([_RESNET.get(inner[0], inner[0]) if kind == "resnets" else inner[0], *inner[1:]])


def original_autoencoder(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return an autoencoder's tensors under their original names."""
    last = max(int(name.split(".")[2]) for name in tensors if name.startswith("decoder.up_blocks."))
    return dict(_autoencoder_entry(name, value, last) for name, value in tensors.items())


def _autoencoder_entry(name: str, value: Any, last: int) -> tuple[str, Any]:
    names = name.split(".")
    for number, part in enumerate(names):
        if part in ("down_blocks", "up_blocks"):
            names[number] = part.removesuffix("_blocks")
            if part == "up_blocks":
                names[number + 1] = str(last - int(names[number + 1]))
    name = ".".join(names).replace(".resnets.", ".block.").replace("conv_shortcut", "nin_shortcut")
    name = name.replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")
    name = name.replace("conv_norm_out", "norm_out")
    name = name.replace("mid_block.block.0", "mid.block_1").replace("mid_block.block.1", "mid.block_2")
    if "mid_block.attentions.0" not in name:
        return name, value
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
    for new, old in {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}.items():
        name = name.replace(f"attn_1.{new}.", f"attn_1.{old}.")
    return name, value[:, :, None, None] if value.dim() == 2 else value


def _clip(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    import torch

    named = {f"{prefix}text_model.{name.removeprefix('text_model.')}": value for name, value in tensors.items()}
    return {**named, f"{prefix}text_model.embeddings.position_ids": torch.arange(77)[None]}


def _open_clip(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    import torch

    found: dict[str, Any] = {}
    for full, value in tensors.items():
        name = full.removeprefix("text_model.")
        if name == "text_projection.weight":
            found[f"{prefix}text_projection"] = value.T
            continue
        if ".self_attn." in name and ".out_proj." not in name:
            layer, kind = name.split(".")[2], name.rsplit(".", 1)[1]
            if ".q_proj." in name:
                whole = [tensors[full.replace("q_proj", other)] for other in ("q_proj", "k_proj", "v_proj")]
                found[f"{prefix}transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(whole)
            continue
        for new, old in _OPEN_CLIP.items():
            name = name.replace(new, old)
        found[prefix + name] = value
    if f"{prefix}text_projection" not in found:
        # Stable Diffusion 2 reads the last layer but one; the last one is in its file all the same.
        last = max(
            int(name.removeprefix(f"{prefix}transformer.resblocks.").split(".")[0])
            for name in found
            if "resblocks" in name
        )
        block = f"{prefix}transformer.resblocks."
        found |= {
            name.replace(f"{block}{last}.", f"{block}{last + 1}."): torch.ones_like(value)
            for name, value in found.items()
            if name.startswith(f"{block}{last}.")
        }
        width = found[f"{prefix}positional_embedding"].shape[1]
        found[f"{prefix}text_projection"] = torch.ones(width, width)
    return found
