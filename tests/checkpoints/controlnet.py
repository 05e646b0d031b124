"""Tiny ControlNets in the hub's on-disk layout, made for a tiny Stable Diffusion of any kind."""

from __future__ import annotations

import json
from pathlib import Path


def tiny_controlnet(folder: Path, base: Path, *, reading: tuple[int, ...] = (), seed: int = 0) -> Path:
    """Build a ControlNet like ``lllyasviel/sd-controlnet-canny`` for a base checkpoint.

    Args:
        folder: Created.
        base: A pipeline folder with a ``unet``; the ControlNet copies its encoder, as real ones begin.
        reading: Channels of the layers that read the map; by default few.
        seed: Of the layers that join the two. Real training begins with them at zero, where nothing is controlled.
    """
    import torch
    from diffusers import ControlNetModel, UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    # A control map shrinks to the size of the latents: by half between two of these, as in the autoencoder.
    levels = len(json.loads((base / "vae" / "config.json").read_text())["block_out_channels"])
    torch.manual_seed(seed)
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=reading or (16,) * levels)
    reading = controlnet.controlnet_cond_embedding
    with torch.no_grad():
        for layer in [controlnet.controlnet_mid_block, *controlnet.controlnet_down_blocks]:
            for parameter in layer.parameters():
                parameter.normal_(std=0.2)
        # Fresh weights let next to nothing of the map through; these carry it to the end.
        for layer in [reading.conv_in, *reading.blocks, reading.conv_out]:
            torch.nn.init.kaiming_normal_(layer.weight)
    controlnet.save_pretrained(folder)
    return folder
