"""Language models in GGUF files: converted once to safetensors, because opening the file itself takes half a minute."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.language.causal_language_model import CausalLanguageModel
from sensorium.models import store
from sensorium.models.catalog import Checkpoint

_FORM = "bfloat16"


class GGUFLanguageModel(CausalLanguageModel):
    """A causal language model from a single ``.gguf`` file.

    Its quantised weights are written out once as bfloat16 safetensors, kept beside the checkpoint.

    Args:
        folder: The folder that holds the file.
        checkpoint: Its catalog entry; ``hub_files`` names the file where the folder holds several.
        device: Where to run.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Raises:
        UnsupportedError: transformers doesn't read this architecture from GGUF.
        ModelUnavailableError: There is no such file, or it is damaged.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        file = _only_file(folder, checkpoint)
        form = _FORM
        if not checkpoint.files:
            # A user's own file may change under the same name; its conversion must not be taken for the new one.
            state = file.stat()
            digest = hashlib.sha256(f"{file.resolve()} {state.st_size} {state.st_mtime_ns}".encode())
            form = f"{_FORM}-{digest.hexdigest()[:12]}"
        converted = store.derive(checkpoint, form, lambda target: _convert(file, target, checkpoint))
        super().__init__(converted, checkpoint=checkpoint, device=device, dtype=dtype)


def _only_file(folder: Path, checkpoint: Checkpoint) -> Path:
    named = [folder / name for name in checkpoint.hub_files if name.endswith(".gguf")]
    files = named or sorted(folder.glob("*.gguf"))
    if len(files) == 1 and files[0].is_file():
        return files[0]
    raise ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} has {len(files)} .gguf files, and one is needed",
        "Name the .gguf file itself",
    )


def _convert(file: Path, target: Path, checkpoint: Checkpoint) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    architecture = _architecture(file, checkpoint)
    if architecture not in GGUF_SUPPORTED_ARCHITECTURES:
        raise UnsupportedError(
            f"The file {file.name} holds a model of architecture {architecture!r}, which can't be read from GGUF",
            "Use the same model in safetensors form, or one of: " + ", ".join(sorted(GGUF_SUPPORTED_ARCHITECTURES)),
        )
    try:
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(target)
        model: Any = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise _damaged(file, checkpoint) from error
    # transformers refuses to save what it thinks is still quantised.
    model.hf_quantizer = None
    model.is_quantized = False
    for name in ("hf_quantizer", "is_quantized", "quantization_method"):
        model.__dict__.pop(name, None)
    del model.config.quantization_config
    model.save_pretrained(target)


def _architecture(file: Path, checkpoint: Checkpoint) -> str:
    from gguf import GGUFReader

    try:
        field = GGUFReader(file).get_field("general.architecture")
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise _damaged(file, checkpoint) from error
    if field is None:
        raise _damaged(file, checkpoint)
    return str(field.contents())


def _damaged(file: Path, checkpoint: Checkpoint) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The file {file.name} of the checkpoint {checkpoint.name!r} is not a complete GGUF file",
        "Fetch it again",
    )
