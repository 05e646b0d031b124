"""Quantized checkpoints in the layouts of the programs that make them, from checkpoints in full precision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

_BLOCK = 8
_LARGEST = 448.0
"""Largest number of FP8's kind e4m3."""


def as_if_quantized(source: Path, folder: Path, settings: Any, *, part: str = "", **more: Any) -> Path:
    """Copy a checkpoint and let it say that it is quantized; its weights stay what they are.

    Args:
        source: The checkpoint.
        folder: Created.
        settings: The ``quantization_config``.
        part: The component that says it.
        more: Further entries of ``config.json``.
    """
    shutil.copytree(source, folder)
    _write(folder / part / "config.json", quantization_config=settings, **more)
    return folder


def in_fp8(source: Path, folder: Path, unpacked: Path) -> tuple[Path, Path]:
    """Copy a checkpoint twice: with linear layers in FP8 blocks, as DeepSeek's are; and with these numbers in float32.

    Args:
        source: A checkpoint of transformers with a single file of weights.
        folder: Created: the first copy.
        unpacked: Created: the second copy.
    """
    import torch
    from safetensors.torch import load_file, save_file

    packed_weights, plain_weights = {}, {}
    for name, weight in load_file(source / "model.safetensors").items():
        packed_weights[name] = plain_weights[name] = weight
        if name.endswith("_proj.weight"):
            rows, columns = (side // _BLOCK for side in weight.shape)
            blocks = weight.float().view(rows, _BLOCK, columns, _BLOCK)
            scale = blocks.abs().amax((1, 3)) / _LARGEST
            packed = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
            packed_weights[name] = packed.view(weight.shape)
            packed_weights[f"{name}_scale_inv"] = scale
            plain_weights[name] = (packed.float() * scale[:, None, :, None]).view(weight.shape)
    settings = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [_BLOCK, _BLOCK]}
    as_if_quantized(source, folder, settings)
    shutil.copytree(source, unpacked)
    for place, weights in ((folder, packed_weights), (unpacked, plain_weights)):
        save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    return folder, unpacked


def _write(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
