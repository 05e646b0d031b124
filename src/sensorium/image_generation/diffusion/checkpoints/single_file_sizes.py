"""The sizes of a painter's parts, from the shapes of the tensors in its file: fine-tunes and distillations differ.

What shapes don't tell (activations, noise schedules, scale of latents) is in ``data/single_files``, by family.
"""

from __future__ import annotations

import re
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.models.single_file import AUTOENCODERS, DENOISER, WeightsFile

_HEAD = 64
"""Width of an attention head: of CLIP's text encoders, and of the denoisers from Stable Diffusion 2 on."""


def unet_sizes(file: WeightsFile) -> dict[str, Any]:
    """Return the sizes of a U-Net, as its ``config.json`` would have them."""
    return denoiser_sizes(file, DENOISER)


def denoiser_sizes(file: WeightsFile, prefix: str) -> dict[str, Any]:
    """Return the sizes of a U-Net, or of a ControlNet, which is the first half of one.

    Args:
        file: Where it is.
        prefix: What the names of its tensors begin with.
    """
    channels: list[int] = [file.width(f"{prefix}input_blocks.0.0.weight")]
    layers: list[int] = [0]
    depths: list[int] = [0]
    text_width = 0
    for number in range(1, count_parts(file, f"{prefix}input_blocks.")):
        block = f"{prefix}input_blocks.{number}."
        if file.has(f"{block}0.op."):
            channels.append(0)
            layers.append(0)
            depths.append(0)
            continue
        channels[-1] = file.width(f"{block}0.out_layers.3.weight")
        layers[-1] += 1
        depths[-1] = max(depths[-1], count_parts(file, f"{block}1.transformer_blocks."))
        text_width = text_width or file.width(f"{block}1.transformer_blocks.0.attn2.to_k.weight", 1)
    sizes = {
        "in_channels": file.width(f"{prefix}input_blocks.0.0.weight", 1),
        "block_out_channels": channels,
        "layers_per_block": layers[0],
        "cross_attention_dim": text_width,
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        "transformer_layers_per_block": [max(1, depth) for depth in depths],
        "attention_head_dim": [max(1, width // _HEAD) for width in channels],
    }
    if file.has(f"{prefix}label_emb.0.0."):
        sizes["projection_class_embeddings_input_dim"] = file.width(f"{prefix}label_emb.0.0.weight", 1)
    return sizes


def autoencoder_sizes(file: WeightsFile) -> dict[str, Any]:
    """Return the sizes of an autoencoder, as its ``config.json`` would have them."""
    prefix = next((prefix for prefix in AUTOENCODERS if file.has(prefix)), "")
    blocks = count_parts(file, f"{prefix}encoder.down.")
    return {
        "latent_channels": file.width(f"{prefix}decoder.conv_in.weight", 1),
        "block_out_channels": [
            file.width(f"{prefix}encoder.down.{number}.block.0.conv1.weight") for number in range(blocks)
        ],
        "layers_per_block": count_parts(file, f"{prefix}encoder.down.0.block."),
        "down_block_types": ["DownEncoderBlock2D"] * blocks,
        "up_block_types": ["UpDecoderBlock2D"] * blocks,
    }


def text_encoder_sizes(file: WeightsFile, prefix: str) -> dict[str, Any]:
    """Return the sizes of one of CLIP's text encoders, as its ``config.json`` would have them.

    Args:
        file: Where it is.
        prefix: What the names of its tensors begin with.
    """
    open_clip = f"{prefix}positional_embedding" in file.shapes
    names = (
        ("positional_embedding", "token_embedding", "transformer.resblocks.", "mlp.c_fc.weight")
        if open_clip
        else (
            "text_model.embeddings.position_embedding.weight",
            "text_model.embeddings.token_embedding",
            "text_model.encoder.layers.",
            "mlp.fc1.weight",
        )
    )
    positions, tokens, layers = (prefix + name for name in names[:3])
    width = file.width(positions, 1)
    sizes = {
        "hidden_size": width,
        "max_position_embeddings": file.width(positions),
        "vocab_size": file.width(f"{tokens}.weight"),
        "num_hidden_layers": count_parts(file, layers),
        "num_attention_heads": max(1, width // _HEAD),
        "intermediate_size": file.width(f"{layers}0.{names[3]}"),
    }
    for projection, axis in ((f"{prefix}text_projection", 1), (f"{prefix}text_projection.weight", 0)):
        if projection in file.shapes:
            sizes["projection_dim"] = file.width(projection, axis)
    return sizes


def count_parts(file: WeightsFile, prefix: str) -> int:
    """Return how many numbered parts there are below a prefix.

    Raises:
        ModelUnavailableError: A number is too high for a file with so few tensors.
    """
    numbered = re.compile(re.escape(prefix) + r"(\d{1,9})\.")
    count = max((int(found[1]) + 1 for found in map(numbered.match, file.shapes) if found), default=0)
    if count > len(file.shapes):
        raise ModelUnavailableError(
            f"The file {file.path.name!r} numbers a part {count - 1} and has only {len(file.shapes)} tensors",
            "Fetch or copy it again, or choose another one",
        )
    return count
