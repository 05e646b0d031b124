"""Repositories that hold no model but an addition to one: LoRA, textual inversion, IP-Adapter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sensorium.models.weight_files import Read, RefusedError, without_weights

ADAPTER_CONFIG = "adapter_config.json"
_KINDS = {"lora": "a LoRA", "textual_inversion": "a textual inversion", "ip-adapter": "an IP-Adapter"}
"""From the tags of a repository's card to what it holds."""
_MOST_NAMED = 8
_FILES = {"pytorch_lora_weights": "lora", "learned_embeds": "textual_inversion", "ip-adapter": "ip-adapter"}
"""How the files of such repositories are called."""


_LORA = "pytorch_lora_weights.safetensors"
"""What diffusers calls the LoRA of a repository."""
_WHOLE = ("model_index.json", "config.json")


def choose_lora(names: Sequence[str], wanted: Sequence[str] = ()) -> list[str]:
    """Choose the LoRA file of a repository.

    Args:
        names: The paths of all of the repository's files.
        wanted: The path of the file that is meant; by default the one that diffusers looks for, or the only one.

    Raises:
        RefusedError: There is no such file, or several could be meant.
    """
    offered = sorted(name for name in names if name.endswith(".safetensors"))
    if wanted:
        if not set(wanted) <= set(offered):
            raise RefusedError(f"the repository has no {wanted[0]}", f"It has {_some(offered)}")
        return list(wanted)
    if any(name in names for name in _WHOLE):
        raise RefusedError("the repository holds a whole model, no LoRA", "Name it as the model")
    kind = _kind(names, ())
    if kind not in ("", "lora"):
        raise RefusedError(f"the repository holds {_KINDS[kind]}, no LoRA", "Download its file")
    if not offered:
        raise without_weights(names, "the repository")
    if _LORA not in offered and len(offered) > 1:
        raise RefusedError(
            f"the repository holds {len(offered)} files: {_some(offered)}",
            "Name the one that you want behind the repository: owner/repository/file.safetensors",
        )
    return [_LORA if _LORA in offered else offered[0]]


def _some(offered: Sequence[str]) -> str:
    return ", ".join(offered[:_MOST_NAMED]) + (", …" if len(offered) > _MOST_NAMED else "") or "no safetensors files"


def refuse_adapters(names: Sequence[str], read: Read) -> None:
    """Refuse a repository without weights of its own that is an addition to a model.

    Args:
        names: The paths of the repository's files.
        read: Returns the text of one of them.

    Raises:
        RefusedError: It is an adapter. The message says of what kind and for which model.
    """
    if ADAPTER_CONFIG in names:
        base, kind = described_adapter(read(ADAPTER_CONFIG))
        raise RefusedError(
            f"the repository holds {kind} for {base}, not a whole model",
            f"Use {base}, or a repository in which the adapter is merged into it",
        )
    card_base, tags = _card(names, read)
    if kind := _kind(names, tags):
        base = card_base or "a model that its files don't name"
        raise RefusedError(f"the repository holds {_KINDS[kind]} for {base}, not a whole model", _remedy(kind, base))


def described_adapter(config: str) -> tuple[str, str]:
    """Return the base model and the kind of an adapter in PEFT's layout, in the words of an error.

    Args:
        config: The text of its ``adapter_config.json``.
    """
    try:
        settings = json.loads(config)
        base, kind = settings.get("base_model_name_or_path"), settings.get("peft_type")
    except (ValueError, AttributeError):
        base = kind = None
    return str(base or "a model that its files don't name"), f"an adapter ({kind})" if kind else "an adapter"


def _kind(names: Sequence[str], tags: Sequence[str]) -> str:
    for name in names:
        for part, kind in _FILES.items():
            if name.rpartition("/")[2].startswith(part):
                return kind
    return next((tag for tag in tags if tag in _KINDS), "")


def _remedy(kind: str, base: str) -> str:
    if kind == "lora":
        return f"Put it on a checkpoint with --lora OWNER/REPOSITORY; it was made for {base}"
    if kind == "textual_inversion":
        return f"Download its file and use it with --embedding FILE; it was made for {base}"
    if kind == "ip-adapter":
        return f"Name a file of it, such as REPOSITORY/FILE.safetensors, with --ip-adapter; it was made for {base}"
    return f"Use {base} without it"


def _card(names: Sequence[str], read: Read) -> tuple[str, list[str]]:
    """Return the base model and the tags that the head of a repository's ``README.md`` names."""
    if "README.md" not in names:
        return "", []
    from huggingface_hub import ModelCard

    try:
        settings: Any = ModelCard(read("README.md"), ignore_metadata_errors=True).data
    except Exception:  # cards are written by hand, and yaml raises errors of its own
        return "", []
    base, tags = settings.base_model or "", settings.tags or []
    base = base[0] if isinstance(base, list) and base else base
    named = [str(tag).lower() for tag in tags] if isinstance(tags, list) else []
    return str(base), named
