"""Checkpoints that need program code of their authors: what their ``config.json`` says of itself, in the words of an
error.

Such code is never run. Many of these checkpoints have been converted to the layout of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.json_files import json_table

_CONVERTED = "Use its conversion for transformers if there is one (such repositories often end in -hf)"
_LLAVA_REMEDY = "Use the same model as it was converted for transformers, such as llava-hf/llava-1.5-7b-hf"
_ONEVISION_REMEDY = "Use the conversion for transformers, such as llava-hf/llava-onevision-qwen2-7b-ov-hf"
_NEXT_REMEDY = "Use the conversion for transformers, such as llava-hf/llava-v1.6-mistral-7b-hf"


@dataclass(frozen=True)
class ForeignLayout:
    """Why a checkpoint can't be opened by the classes of the installed libraries.

    Attributes:
        reason: What it is: half a sentence that follows "the checkpoint", such as "is in …".
        remedy: What helps: a sentence without its full stop.
    """

    reason: str
    remedy: str


def _llava(architecture: str, remedy: str) -> ForeignLayout:
    return ForeignLayout(
        f"is in LLaVA's original layout ({architecture}), which only LLaVA's own program opens", remedy
    )


_ORIGINALS = {
    "LlavaLlamaForCausalLM": _llava("LlavaLlamaForCausalLM", _LLAVA_REMEDY),
    "LlavaMistralForCausalLM": _llava("LlavaMistralForCausalLM", _NEXT_REMEDY),
    "LlavaMptForCausalLM": _llava("LlavaMptForCausalLM", _LLAVA_REMEDY),
    "LlavaQwenForCausalLM": _llava("LlavaQwenForCausalLM", _ONEVISION_REMEDY),
}
"""Of checkpoints that name no program code in their files, by the architecture that they name."""

_FIELDS = {
    ("qwen3_asr", "thinker_config"): ForeignLayout(
        "is in the layout of the program qwen-asr, which only that program opens",
        "Use its conversion for transformers, such as Qwen/Qwen3-ASR-1.7B-hf: such repositories end in -hf",
    )
}
"""Of checkpoints whose architecture has the same name in another layout, by ``model_type`` and a field of their own."""
_CONVERSIONS = {
    "InternVLChatModel": "Use its conversion for transformers, such as OpenGVLab/InternVL3-1B-hf",
    "EvaCLIPModel": "Use another dual encoder, such as openai/clip-vit-large-patch14",
    "MolmoForCausalLM": "Use Molmo 2, which transformers knows, or another chat model",
    "MultiModalityCausalLM": "Use its conversion for transformers, such as deepseek-community/deepseek-vl-1.3b-chat",
    "Videollama3Qwen2ForCausalLM": "Use its conversion for transformers, such as lkhl/VideoLLaMA3-2B-Image-HF",
}
"""What to use instead of checkpoints that bring program code, by the architecture that they name."""


def foreign_layout(config: Mapping[str, Any]) -> ForeignLayout | None:
    """Return why transformers' own classes don't open a checkpoint, or None if they may.

    Args:
        config: Its ``config.json``.
    """
    listed = config.get("architectures")
    named = [str(name) for name in listed] if isinstance(listed, list) else []
    for name in named:
        if name in _ORIGINALS:
            return _ORIGINALS[name]
    for (family, name), layout in _FIELDS.items():
        if config.get("model_type") == family and name in config:
            return layout
    code = own_code(config)
    if not code or find_spec("transformers") is None or _is_known(named, str(config.get("model_type") or "")):
        return None
    kind = f"{named[0]}, which transformers doesn't know" if named else "an architecture that transformers doesn't know"
    remedy = next((_CONVERSIONS[name] for name in named if name in _CONVERSIONS), _CONVERTED)
    return ForeignLayout(f"is {kind}: it needs program code of its own ({code}), which is never run", remedy)


def own_code(config: Mapping[str, Any]) -> str:
    """Return the file of program code that a ``config.json`` names, ``"modeling_evaclip.py"``; "" if it names none."""
    table = config.get("auto_map")
    if not isinstance(table, dict):
        return ""
    chosen = next((value for key, value in table.items() if "Model" in key), None) or next(iter(table.values()), "")
    module = str(chosen).rpartition("--")[2].rpartition(".")[0]
    return f"{module}.py" if module else ""


def folders_config(folder: Path) -> dict[str, Any]:
    """Return the ``config.json`` of a checkpoint folder; empty where there is none that can be read."""
    return json_table(folder / "config.json")


def refuse_foreign_layout(checkpoint: Checkpoint, folder: Path) -> None:
    """Refuse a folder that needs program code of its authors.

    Args:
        checkpoint: For the words of the error; one whose family the catalog knows is never refused.
        folder: The checkpoint's folder.

    Raises:
        UnsupportedError: The message names the architecture and the code.
    """
    found = None if checkpoint.family else foreign_layout(folders_config(folder))
    if found is not None:
        raise UnsupportedError(f"The checkpoint {checkpoint.name!r} {found.reason}", found.remedy)


def _is_known(architectures: list[str], model_type: str) -> bool:
    import transformers

    if architectures:
        known = set(dir(transformers))
        return any(name in known for name in architectures)
    from transformers import CONFIG_MAPPING

    return model_type in CONFIG_MAPPING
