"""Control networks that are one safetensors file: the same weights and settings as the folder, or a refusal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file

from sensorium import ControlNetGenerator
from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.control.control_network import ControlNetwork
from sensorium.models.single_file import read_weights_file
from tests.checkpoints.controlnet import tiny_controlnet
from tests.checkpoints.full_structure import full_stable_diffusion
from tests.checkpoints.single_file import write_original_controlnet
from tests.refusals import refused

_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_WEIGHTS = "diffusion_pytorch_model.safetensors"
_OF_THE_PAINTER = "sample_size"
"""Only training and pictures of no stated size look at it."""
FOR_1 = {"block_out_channels": (32, 64, 64, 64), "cross_attention_dim": 768}
FOR_2 = {
    "block_out_channels": (64, 128, 128, 128),
    "cross_attention_dim": 1024,
    "attention_head_dim": [1, 2, 2, 2],
    "use_linear_projection": True,
    "upcast_attention": True,
}
FOR_XL = {
    "block_out_channels": (32, 64, 128),
    "down_block_types": (_PLAIN, _CROSS, _CROSS),
    "transformer_layers_per_block": (1, 2, 3),
    "attention_head_dim": [1, 1, 2],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 128 + 6 * 256,
}
SMALL_XL = {
    **FOR_XL,
    **{"down_block_types": (_PLAIN,) * 3, "mid_block_type": "UNetMidBlock2D", "transformer_layers_per_block": 1},
}
UNION = {
    **{"num_control_type": 8, "num_trans_channel": 32, "num_proj_channel": 32, "num_trans_layer": 2},
    **{"transformer_layers_per_block": (1, 2, 3), "attention_head_dim": [1, 1, 2]},
}
FLUX = {
    **{"num_layers": 2, "num_single_layers": 1, "num_attention_heads": 1},
    **{"joint_attention_dim": 32, "pooled_projection_dim": 24},
}
SD3 = {
    **{"num_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 32, "caption_projection_dim": 64},
    **{"pooled_projection_dim": 24, "pos_embed_max_size": 12},
}
Z_IMAGE = {
    **{"control_layers_places": [0, 10, 20], "control_in_dim": 16, "dim": 64, "n_heads": 2, "n_kv_heads": 2},
    "n_refiner_layers": 1,
}
Z_IMAGE_2 = {
    **Z_IMAGE,
    **{"control_in_dim": 33, "add_control_noise_refiner": "control_noise_refiner"},
    "control_refiner_layers_places": [0],
}
NETWORKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "ControlNet for SD 1": ("ControlNetModel", FOR_1, "Stable Diffusion 1"),
    "ControlNet for SD 2": ("ControlNetModel", FOR_2, "Stable Diffusion 2"),
    "ControlNet for XL": ("ControlNetModel", FOR_XL, "Stable Diffusion XL"),
    "ControlNet for XL, small": ("ControlNetModel", SMALL_XL, "Stable Diffusion XL"),
    "union ControlNet for XL": (
        "ControlNetUnionModel",
        {**FOR_XL, **UNION},
        "union ControlNet for Stable Diffusion XL",
    ),
    "ControlNet for FLUX": ("FluxControlNetModel", {**FLUX, "guidance_embeds": True}, "ControlNet for FLUX"),
    "ControlNet for FLUX, hints": ("FluxControlNetModel", {**FLUX, "conditioning_embedding_channels": 16}, "FLUX"),
    "union ControlNet for FLUX": ("FluxControlNetModel", {**FLUX, "num_mode": 10}, "union ControlNet for FLUX"),
    "ControlNet for SD 3": ("SD3ControlNetModel", SD3, "Stable Diffusion 3"),
    "ControlNet for SD 3.5": (
        "SD3ControlNetModel",
        {
            **SD3,
            "joint_attention_dim": None,
            "use_pos_embed": False,
            "pos_embed_max_size": 96,
            "force_zeros_for_pooled_projection": False,
        },
        "Stable Diffusion 3",
    ),
    "ControlNet for Qwen-Image": (
        "QwenImageControlNetModel",
        {"num_layers": 1, "num_attention_heads": 1, "joint_attention_dim": 32},
        "ControlNet for Qwen-Image",
    ),
    "ControlNet for Z-Image": ("ZImageControlNetModel", Z_IMAGE, "ControlNet for Z-Image"),
    "ControlNet for Z-Image, version 2.1": ("ZImageControlNetModel", Z_IMAGE_2, "ControlNet for Z-Image"),
    "T2I-Adapter": ("T2IAdapter", {"channels": [32, 64, 64, 64]}, "T2I-Adapter for Stable Diffusion 1 or 2"),
    "T2I-Adapter, grey and light": (
        "T2IAdapter",
        {"channels": [32, 64, 64], "in_channels": 1, "adapter_type": "light_adapter", "num_res_blocks": 4},
        "T2I-Adapter for Stable Diffusion 1 or 2",
    ),
    "T2I-Adapter for XL": (
        "T2IAdapter",
        {"channels": [32, 64, 64, 64], "adapter_type": "full_adapter_xl", "downscale_factor": 16},
        "T2I-Adapter for Stable Diffusion XL",
    ),
}
ORIGINAL = ("ControlNet for SD 1", "ControlNet for SD 2", "ControlNet for XL")


def network(folder: Path, name: str) -> Path:
    class_name, settings, _ = NETWORKS[name]
    torch.manual_seed(0)
    model = getattr(diffusers, class_name)(**settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "before_proj" in name:
                parameter.fill_(0.1)
    model.save_pretrained(folder)
    return folder


def require_same(file: Path, folder: Path) -> None:
    """See that a file opens as the folder does."""
    with ControlNetwork(file, device="cpu", dtype="float32") as mine, ControlNetwork(folder, device="cpu") as theirs:
        one, other = mine.backend.model, theirs.backend.model
        assert type(one) is type(other)
        settings = [
            {name: value for name, value in model.config.items() if name[0] != "_" and name != _OF_THE_PAINTER}
            for model in (one, other)
        ]
        assert plain(settings[0]) == plain(settings[1])
        assert one.state_dict().keys() == other.state_dict().keys()
        for name, value in other.state_dict().items():
            assert torch.equal(one.state_dict()[name], value), name


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    found = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    for name in ("attention_head_dim", "transformer_layers_per_block"):
        # One number stands for as many as there are blocks.
        if isinstance(found.get(name), list) and len(set(found[name])) == 1:
            found[name] = found[name][0]
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_opens_as_its_folder_does(name: str, tmp_path: Path, parity: Callable[[str, str, str], None]) -> None:
    folder = network(tmp_path / "folder", name)
    file = Path(shutil.copy(folder / _WEIGHTS, tmp_path / "edges.safetensors"))
    require_same(file, folder)
    assert NETWORKS[name][2] in read_weights_file(file).sentence
    parity(f"{name}, one file", f"{NETWORKS[name][0]}.from_pretrained", "the same settings and weights")


def test_an_untrained_refiner_is_left_out(tmp_path: Path) -> None:
    """As diffusers leaves it out of version 2.0 of Z-Image's union."""
    tensors = load_file(network(tmp_path / "folder", "ControlNet for Z-Image, version 2.1") / _WEIGHTS)
    empty = {name: value * ("noise_refiner.0.before_proj" not in name) for name, value in tensors.items()}
    save_file(empty, tmp_path / "union-2.0.safetensors")
    with ControlNetwork(tmp_path / "union-2.0.safetensors", device="cpu") as mine:
        assert mine.backend.model.config["add_control_noise_refiner"] == "control_layers"
        assert not any("noise_refiner" in name for name in mine.backend.model.state_dict())


@pytest.mark.parametrize("name", ORIGINAL)
@pytest.mark.parametrize("prefix", ["control_model.", ""])
def test_the_layout_of_the_authors_program(
    name: str, prefix: str, tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    folder = network(tmp_path / "folder", name)
    (tmp_path / "alone").mkdir()
    file = write_original_controlnet(folder, tmp_path / "alone" / "control_v11p.safetensors", prefix=prefix)
    require_same(file, folder)
    require_same(file.parent, folder)
    assert NETWORKS[name][2] in read_weights_file(file).sentence
    if not prefix:
        parity(f"{name}, original layout", "ControlNetModel.from_pretrained", "the same settings and weights")


def test_it_paints_as_its_folder_does(tmp_path: Path) -> None:
    base = full_stable_diffusion(tmp_path / "sd")
    folder = tiny_controlnet(tmp_path / "net", base, reading=(16, 32, 96, 256))
    file = write_original_controlnet(folder, tmp_path / "edges.safetensors")
    stripes = PIL.Image.fromarray(np.tile((np.arange(64) // 8 % 2 * 255).astype(np.uint8)[:, None], (1, 64)))
    pictures = []
    for each in (file, folder):
        with ControlNetGenerator(base, controlnets={"canny": each}) as generator:
            call: dict[str, Any] = {"control_image": stripes, "steps": 2, "seed": 1, "width": 64, "height": 64}
            [picture] = generator.generate(None, "a cat", "canny", **call)
            assert generator.paint_again(picture.settings, control_image=stripes).tobytes() == picture.tobytes()
        pictures.append(np.asarray(picture, int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert picture.settings.options["controls"][0]["model"] == "net"


def test_what_lacks_a_part_is_refused(tmp_path: Path) -> None:
    folder = network(tmp_path / "folder", "ControlNet for SD 1")
    tensors = load_file(folder / _WEIGHTS)
    less = {name: value for name, value in tensors.items() if "mid_block.resnets.1" not in name}
    for file, names in (
        (write_original_controlnet(folder, tmp_path / "whole.safetensors"), ()),
        (tmp_path / "less.safetensors", ("less",)),
    ):
        if names:
            save_file(less, file)
            with refused(ModelUnavailableError, *names):
                ControlNetwork(file, device="cpu").load()
            continue
        named = load_file(file)
        save_file({n: v for n, v in named.items() if "zero_convs.3" not in n}, file)
        with refused(ModelUnavailableError, "whole"):
            ControlNetwork(file, device="cpu").load()
    save_file({**tensors, "surplus.weight": torch.zeros(7)}, tmp_path / "more.safetensors")
    with refused(UnsupportedError, "more", "diffusers"):
        ControlNetwork(tmp_path / "more.safetensors", device="cpu").load()


@pytest.mark.parametrize(
    ("tensors", "names"),
    [
        ({"body.0.block1.weight": (8, 8, 3, 3)}, ("T2I-Adapter", "diffusers' layout")),
        ({"controlnet_blocks.0.weight": (8, 8), "double_blocks.0.x": (8,)}, ("XLabs", "diffusers' layout")),
        ({"lora_controlnet": (1,), "input_hint_block.0.weight": (8, 3, 3, 3)}, ("Control-LoRA",)),
        ({"lllite_unet_x.down.0.weight": (8, 8)}, ("LLLite",)),
    ],
)
def test_files_of_other_kinds(tensors: dict[str, tuple[int, ...]], names: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in tensors.items()}, file)
    with refused(UnsupportedError, "other", *names):
        ControlNetwork(file, device="cpu").load()
