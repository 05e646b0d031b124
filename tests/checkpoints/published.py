"""Tiny checkpoints rewritten to what is published: files and names of weights as older libraries wrote them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
_NEVER_PUBLISHED = {
    "unet": ("conv_in_kernel", "time_embedding_type", "transformer_layers_per_block", "attention_type", "dropout"),
    "vae": ("scaling_factor", "force_upcast", "shift_factor", "use_quant_conv", "mid_block_add_attention"),
    "scheduler": ("prediction_type", "timestep_spacing"),
}
"""Settings that the files of 2022 don't have yet: their defaults must be right for them."""


def as_published_in_2022(folder: Path) -> Path:
    """Rewrite a tiny Stable Diffusion to the files of ``stable-diffusion-v1-5``, as they are on the hub.

    Weights have the names that transformers 4 and diffusers 0.6 gave them, tokenizers no ``tokenizer.json``, and
    configurations no setting that came later.

    Args:
        folder: Made by `tiny_stable_diffusion`.
    """
    encoder = folder / "text_encoder" / "model.safetensors"
    _rename(encoder, lambda name: f"text_model.{name}")
    _add_positions(encoder, "text_model.embeddings.position_ids", 77)
    _rename(folder / "vae" / "diffusion_pytorch_model.safetensors", _old_attention)
    if (folder / "safety_checker").is_dir():
        checker = folder / "safety_checker" / "model.safetensors"
        _rename(checker, lambda name: f"vision_model.{name}" if name.startswith("vision_model.") else name)
        _add_positions(checker, "vision_model.vision_model.embeddings.position_ids", 17)
        _edit(
            folder / "feature_extractor" / "preprocessor_config.json",
            without=("rescale_factor", "do_rescale", "image_processor_type"),
            feature_extractor_type="CLIPFeatureExtractor",
            size=32,
            crop_size=32,
        )
        _edit(
            folder / "safety_checker" / "config.json",
            _name_or_path="/home/someone/stable-diffusion-v1-5/safety_checker",
            torch_dtype="float16",
            transformers_version=None,
            text_config_dict={"hidden_size": 512, "num_attention_heads": 8},
            vision_config_dict={
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_attention_heads": 4,
                "num_hidden_layers": 2,
                "patch_size": 8,
                "image_size": 32,
            },
        )
    for part, later in _NEVER_PUBLISHED.items():
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        _edit(folder / part / name, without=later)
    _edit(folder / "scheduler" / "scheduler_config.json", clip_sample=False)
    _edit(folder / "text_encoder" / "config.json", without=("dtype",), eos_token_id=2, torch_dtype="float32")
    _edit(folder / "model_index.json", without=("image_encoder",), _diffusers_version="0.6.0")
    _old_tokenizer(folder / "tokenizer")
    return folder


def _old_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    signs = {sign: _added(f"<|{name}|>") for sign, name in (("bos_token", "startoftext"), ("eos_token", "endoftext"))}
    settings = {
        "add_prefix_space": False,
        **signs,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "pad_token": "<|endoftext|>",
        "special_tokens_map_file": "./special_tokens_map.json",
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": _added("<|endoftext|>"),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    special = {
        name: {key: value for key, value in sign.items() if key != "__type"} if isinstance(sign, dict) else sign
        for name, sign in settings.items()
        if name.endswith("_token")
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2))


def _added(content: str) -> dict[str, Any]:
    sides = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    return {"__type": "AddedToken", "content": content, **sides}


def _old_attention(name: str) -> str:
    if ".attentions." in name:
        for new, old in _OLD_ATTENTION.items():
            name = name.replace(f".{new}.", f".{old}.")
    return name


def _rename(file: Path, new_name: Callable[[str], str]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {new_name(name): tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def _add_positions(file: Path, name: str, count: int) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    save_file({**load_file(file), name: torch.arange(count)[None]}, file, metadata={"format": "pt"})


def _edit(file: Path, *, without: tuple[str, ...] = (), **values: Any) -> None:
    settings = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({name: value for name, value in settings.items() if name not in without}, indent=2))
