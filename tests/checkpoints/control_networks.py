"""Tiny control networks of each class that a file can name, in the hub's on-disk layout, for tiny painters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def tiny_union_controlnet(folder: Path, base: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Build a union ControlNet like ``xinsir/controlnet-union-sdxl-1.0`` for a tiny Stable Diffusion XL.

    Args:
        folder: Created.
        base: A pipeline folder with a ``unet``.
        seed: Of its weights.
        settings: What differs in its ``config.json``: ``num_control_type`` 8 for the one called promax.
    """
    import torch
    from diffusers import ControlNetUnionModel, UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    levels = len(json.loads((base / "vae" / "config.json").read_text())["block_out_channels"])
    reading = {"conditioning_embedding_out_channels": (16,) * levels, "load_weights_from_unet": False}
    theirs = ControlNetUnionModel.from_unet(unet, **reading).config
    config = {name: value for name, value in theirs.items() if not name.startswith("_")}
    width = unet.config["block_out_channels"][0]
    sizes = {"num_trans_channel": width, "num_trans_head": 4, "num_proj_channel": width, "num_control_type": 6}
    torch.manual_seed(seed)
    network = ControlNetUnionModel(**{**config, **sizes, **settings})
    network.conv_in.load_state_dict(unet.conv_in.state_dict())
    network.down_blocks.load_state_dict(unet.down_blocks.state_dict(), strict=False)
    _stir(network)
    network.save_pretrained(folder)
    return folder


def tiny_stable_diffusion_3_controlnet(folder: Path, base: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Build a ControlNet like ``InstantX/SD3-Controlnet-Canny`` for a tiny Stable Diffusion 3.

    Args:
        folder: Created.
        base: A pipeline folder with a ``transformer``.
        seed: Of its weights.
        settings: What differs in its ``config.json``.
    """
    import torch
    from diffusers import SD3ControlNetModel

    theirs = json.loads((base / "transformer" / "config.json").read_text())
    config = {name: value for name, value in theirs.items() if not name.startswith("_")}
    torch.manual_seed(seed)
    network = SD3ControlNetModel.from_config({**config, "num_layers": 1, **settings})
    _stir(network)
    network.save_pretrained(folder)
    return folder


def tiny_flux_controlnet(folder: Path, base: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Build a ControlNet like ``InstantX/FLUX.1-dev-Controlnet-Canny`` for a tiny FLUX.

    Args:
        folder: Created.
        base: A pipeline folder with a ``transformer``.
        seed: Of its weights.
        settings: What differs in its ``config.json``: ``num_mode`` for a union.
    """
    import torch
    from diffusers import FluxControlNetModel

    theirs = json.loads((base / "transformer" / "config.json").read_text())
    config = {name: value for name, value in theirs.items() if not name.startswith("_") and name != "out_channels"}
    torch.manual_seed(seed)
    network = FluxControlNetModel.from_config({**config, "num_layers": 1, "num_single_layers": 1, **settings})
    _stir(network)
    network.save_pretrained(folder)
    return folder


def tiny_qwen_image_controlnet(folder: Path, base: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Build a ControlNet like ``InstantX/Qwen-Image-ControlNet-Union`` for a tiny Qwen-Image.

    Args:
        folder: Created.
        base: A pipeline folder with a ``transformer``.
        seed: Of its weights.
        settings: What differs in its ``config.json``.
    """
    import torch
    from diffusers import QwenImageControlNetModel

    theirs = json.loads((base / "transformer" / "config.json").read_text())
    config = {name: value for name, value in theirs.items() if not name.startswith("_")}
    torch.manual_seed(seed)
    network = QwenImageControlNetModel.from_config({**config, "num_layers": 1, **settings})
    _stir(network)
    network.save_pretrained(folder)
    return folder


def tiny_z_image_controlnet(folder: Path, base: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Build a ControlNet like ``alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union`` for a tiny Z-Image.

    Args:
        folder: Created.
        base: A pipeline folder with a ``transformer``.
        seed: Of its weights.
        settings: What differs in its ``config.json``.
    """
    import torch
    from diffusers import ZImageControlNetModel

    theirs = json.loads((base / "transformer" / "config.json").read_text())
    shared = {name: theirs[name] for name in ("dim", "n_heads", "n_kv_heads", "n_refiner_layers")}
    torch.manual_seed(seed)
    network = ZImageControlNetModel(
        **{"control_layers_places": [0], "control_in_dim": 16, **shared, **settings}  # as version 1 has
    )
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "before_proj" in name or "after_proj" in name or "control_all_x_embedder" in name:
                parameter.normal_(std=0.2)
    network.save_pretrained(folder)
    return folder


def tiny_adapter(folder: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Build a T2I-Adapter like ``TencentARC/t2iadapter_canny_sd15v2``, for a tiny Stable Diffusion.

    Args:
        folder: Created.
        seed: Of its weights.
        settings: What differs in its ``config.json``: ``adapter_type`` "full_adapter_xl" or "light_adapter".
    """
    import torch
    from diffusers import T2IAdapter

    torch.manual_seed(seed)
    network = T2IAdapter(**{"in_channels": 3, "channels": [16, 32], "num_res_blocks": 1, **settings})
    network.save_pretrained(folder)
    return folder


def _stir(network: Any) -> None:
    """Fill what training begins with at zero: there nothing would be controlled."""
    import torch

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith(("controlnet_", "spatial_ch_projs", "pos_embed_input", "task_embedding")):
                parameter.normal_(std=0.2)
