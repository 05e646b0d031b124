"""What a safetensors file is that somebody gives as a LoRA file, told by the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

LOHA = re.compile(r"\.hada_(w[12]_[ab]|t[12])$")
LOKR = re.compile(r"\.lokr_(w[12](_[ab])?|t2)$")

_KOHYA_PREFIX = re.compile(r"^lora_(unet|te\d?|transformer|prior_unet)_")
"""Of every kind of file that kohya's scripts write, not only of LoRA files."""


class Kind(NamedTuple):
    """What a file is that can't be put on like a LoRA, in the words of an error, and what to do with it."""

    name: str
    remedy: str


_IP_ADAPTER = re.compile(r"^ip_adapter\.|^image_proj\.|to_[kv]_ip\.")
_OTHER_LORA = "Use a LoRA, LoHa or LoKr of the same style"
_PATTERNS: tuple[tuple[str, Kind], ...] = (
    (
        r"^(emb_params|clip_[lg]|t5xxl|string_to_param.*|<[^>]+>)$",
        Kind("a textual inversion (an embedding)", "Give it as an embedding, and write its word into the prompt"),
    ),
    (r"^control_model\.|controlnet_cond_embedding|^controlnet_", Kind("a ControlNet", "Name it as a ControlNet")),
    (
        r"^model\.diffusion_model\.|^first_stage_model\.|^cond_stage_model\.|^conditioner\.embedders\.",
        Kind("a whole checkpoint", "Name it as the model"),
    ),
    (r"\.oft_|\.oft_blocks|oft_diag$|oft_[RS]\b", Kind("an OFT adapter", _OTHER_LORA)),
    (r"\.(b1|b2|a1|a2)\.weight$", Kind("a GLoRA adapter", _OTHER_LORA)),
    (r"\.on_input$|ia3_l", Kind("an (IA)³ adapter", _OTHER_LORA)),
    (r"\.diff(_b)?$", Kind("a difference of whole weights", _OTHER_LORA)),
    (
        r"^(model\.diffusion_model\.)?(double_blocks|single_blocks|joint_blocks)\.|^transformer_blocks\.\d+\..*weight$",
        Kind("the denoiser of a whole checkpoint", "Name a checkpoint that has it as the model"),
    ),
    (
        r"^(down_blocks|up_blocks|mid_block|conv_in)\.",
        Kind("the denoiser of a whole checkpoint", "Name it as the model"),
    ),
    (r"^(encoder|decoder)\.(conv_in|down|up|mid)", Kind("a VAE", "Name a checkpoint that has it as the model")),
    (
        r"^(text_model|model\.layers|encoder\.block)\.",
        Kind("a text encoder", "Name a checkpoint that has it as the model"),
    ),
)


def other_kind(names: Collection[str]) -> Kind | None:
    """Return what a file is, by the names of its tensors; None for a LoRA, a LoHa, a LoKr and what nobody knows."""
    if any(_IP_ADAPTER.search(name) for name in names):  # some have LoRA layers of their own
        return Kind("an IP-Adapter", "Name it as one: ip_adapter=IPAdapter(images, model=FILE), or --ip-adapter FILE")
    if is_lycoris(names) or any("lora" in _KOHYA_PREFIX.sub("", name) for name in names):
        return None
    return next((kind for pattern, kind in _PATTERNS if any(re.search(pattern, name) for name in names)), None)


def is_lycoris(names: Collection[str]) -> bool:
    """Return whether a file is a LoHa or a LoKr."""
    return any(LOHA.search(name) or LOKR.search(name) for name in names)
