"""The classes of control networks that a ``config.json`` can name, and what each needs of painter, maps and pipeline.

Sources: ControlNet: Zhang et al. 2023; T2I-Adapter: Mou et al. 2023; the numbers of a union's modes: the model cards of
``xinsir/controlnet-union-sdxl-1.0`` and ``InstantX/FLUX.1-dev-Controlnet-Union``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sensorium.image_generation.painting import IMAGE_TO_IMAGE, INPAINTING, TEXT_TO_IMAGE

BASES: Mapping[str, str] = {
    "stable-diffusion": "Stable Diffusion 1 or 2",
    "stable-diffusion-xl": "Stable Diffusion XL",
    "stable-diffusion-3": "Stable Diffusion 3",
    "flux": "FLUX",
    "qwenimage": "Qwen-Image",
    "z-image": "Z-Image",
}
"""The families of painters that can be controlled, as diffusers' AutoPipelines name them."""

XL_ADAPTER = "full_adapter_xl"
"""The one type of T2I-Adapters that fits Stable Diffusion XL."""

_UNET_SIZES = ("in_channels", "block_out_channels", "layers_per_block", "addition_embed_type")
_TRANSFORMER_SIZES = ("in_channels", "patch_size", "attention_head_dim", "num_attention_heads", "pooled_projection_dim")
_OF_Z_IMAGE = (
    *("t_scale", "t_embedder", "all_x_embedder", "cap_embedder", "rope_embedder"),
    *("noise_refiner", "context_refiner", "x_pad_token", "cap_pad_token"),
)
_XL_MODES = {
    **{"openpose": 0, "depth": 1, "hed": 2, "softedge": 2, "scribble": 2, "canny": 3, "lineart": 3, "mlsd": 3},
    **{"normal": 4, "seg": 5, "tile": 6, "inpaint": 7},
}
_FLUX_MODES = {"canny": 0, "tile": 1, "depth": 2, "blur": 3, "openpose": 4, "gray": 5, "lq": 6}


@dataclass(frozen=True)
class ControlKind:
    """A class of control networks.

    Attributes:
        family: Its name in diffusers, which ``config.json`` names.
        name: What people call it.
        bases: The families of painters that it is made for.
        pipelines: What diffusers' AutoPipelines add to the name of such a family for the pipelines that use it.
        paintings: The kinds of painting that these pipelines do with it, as far as diffusers has them.
        component: How these pipelines name it.
        text_width: The setting that says how wide the states of the text encoders are; "" if it reads none.
        sizes: The settings that must be those of the painter's denoiser.
        together: The settings that must be the same in several networks of one call.
        mode_count: The setting that says how many kinds of control one network knows; "" if it knows only one.
        modes: From kind of control to the number by which such a network knows it.
        for_several_maps: How one network gets several maps: it stands once for each, it takes them itself ("itself"),
            or in a list of one network ("listed").
        container: The class that holds several networks, where the pipelines don't make one themselves.
        several: What the pipelines take more than one of: networks, maps for one network, or nothing.
        borrows: The parts of the painter's denoiser that such a network works with while a pipeline uses it.
    """

    family: str
    name: str
    bases: tuple[str, ...]
    pipelines: str = "controlnet"
    paintings: tuple[str, ...] = (TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINTING)
    component: str = "controlnet"
    text_width: str = ""
    sizes: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    mode_count: str = ""
    modes: Mapping[str, int] = field(default_factory=dict)
    for_several_maps: Literal["repeated", "itself", "listed"] = "repeated"
    container: str = ""
    several: Literal["networks", "maps", "nothing"] = "networks"
    borrows: tuple[str, ...] = ()

    @property
    def of_bases(self) -> str:
        """The painters that it is made for, in words."""
        return " or ".join(BASES[base] for base in self.bases)

    def knows_modes(self, config: Mapping[str, Any]) -> bool:
        """Return whether a network with these settings is a union, which has to be told the kind of control."""
        return bool(self.mode_count and config.get(self.mode_count))

    def modes_of(self, config: Mapping[str, Any]) -> dict[str, int]:
        """Return the kinds of control that a union with these settings knows, with their numbers."""
        return {kind: number for kind, number in self.modes.items() if number < config[self.mode_count]}


CONTROL_KINDS: Mapping[str, ControlKind] = {
    kind.family: kind
    for kind in (
        ControlKind(
            "ControlNetModel",
            "ControlNet",
            ("stable-diffusion", "stable-diffusion-xl"),
            text_width="cross_attention_dim",
            sizes=_UNET_SIZES,
        ),
        ControlKind(
            "ControlNetUnionModel",
            "union ControlNet",
            ("stable-diffusion-xl",),
            pipelines="controlnet-union",
            text_width="cross_attention_dim",
            sizes=_UNET_SIZES,
            mode_count="num_control_type",
            modes=_XL_MODES,
            for_several_maps="itself",
        ),
        ControlKind(
            "SD3ControlNetModel",
            "ControlNet",
            ("stable-diffusion-3",),
            paintings=(TEXT_TO_IMAGE,),  # that for inpainting follows no map
            text_width="joint_attention_dim",
            sizes=_TRANSFORMER_SIZES,
            together=("num_layers", "joint_attention_dim", "force_zeros_for_pooled_projection"),
        ),
        ControlKind(
            "FluxControlNetModel",
            "ControlNet",
            ("flux",),
            text_width="joint_attention_dim",
            sizes=(*_TRANSFORMER_SIZES, "axes_dims_rope"),
            together=("num_layers", "num_single_layers", "guidance_embeds", "conditioning_embedding_channels"),
            mode_count="num_mode",
            modes=_FLUX_MODES,
            for_several_maps="listed",
        ),
        ControlKind(
            "QwenImageControlNetModel",
            "ControlNet",
            ("qwenimage",),
            paintings=(TEXT_TO_IMAGE,),
            text_width="joint_attention_dim",
            sizes=("in_channels", "patch_size", "attention_head_dim", "num_attention_heads", "axes_dims_rope"),
            for_several_maps="listed",
            container="QwenImageMultiControlNetModel",
            several="maps",
        ),
        ControlKind(
            "ZImageControlNetModel",
            "ControlNet",
            ("z-image",),
            paintings=(TEXT_TO_IMAGE,),
            sizes=("dim", "n_heads", "n_kv_heads", "n_refiner_layers", "all_patch_size"),
            several="nothing",
            borrows=_OF_Z_IMAGE,
        ),
        ControlKind(
            "T2IAdapter",
            "T2I-Adapter",
            ("stable-diffusion", "stable-diffusion-xl"),
            pipelines="adapter",
            component="adapter",
            together=("adapter_type", "downscale_factor", "channels"),
            container="MultiAdapter",
        ),
    )
}
"""From the name of each class to what is known of it."""

OTHER_KINDS: Mapping[str, str] = {
    "ControlNetXSAdapter": "a ControlNet-XS for Stable Diffusion 1, 2 or XL",
    "UNetControlNetXSModel": "a Stable Diffusion with a ControlNet-XS in it",
    "SparseControlNetModel": "a ControlNet for the films of AnimateDiff",
    "HunyuanDiT2DControlNetModel": "a ControlNet for Hunyuan-DiT",
    "HunyuanDiT2DMultiControlNetModel": "several ControlNets for Hunyuan-DiT",
    "SanaControlNetModel": "a ControlNet for Sana",
    "CosmosControlNetModel": "a ControlNet for the films of Cosmos",
}
"""From classes of control networks that Sensorium doesn't paint under to what they are."""

_OF_TEXT = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}


def describe_network(config: Mapping[str, Any]) -> str:
    """Return a sentence about a control network: what it is, and for which painters; "" for anything else.

    Args:
        config: Its ``config.json``.
    """
    family = str(config.get("_class_name"))
    if family in OTHER_KINDS:
        what = OTHER_KINDS[family]
        return f"{what[0].upper()}{what[1:]}, which can't be used here."
    kind = CONTROL_KINDS.get(family)
    if kind is None:
        return ""
    base = _OF_TEXT.get(config.get(kind.text_width, 0) or 0, kind.of_bases)
    if "adapter_type" in config:
        base = BASES["stable-diffusion-xl" if config["adapter_type"] == XL_ADAPTER else "stable-diffusion"]
    union = kind.knows_modes(config) and not kind.name.startswith("union")
    return (
        f"A {'union ' if union else ''}{kind.name} for {base}. Give it with --controlnet KIND=NAME, beside a painter."
    )
