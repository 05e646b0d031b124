"""Quantizing weights while they are loaded, so that a large chat or language model fits: ``quantize="4bit"``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.errors import InputError, SensoriumError, UnsupportedError
from sensorium.models.bitsandbytes import import_bitsandbytes
from sensorium.models.catalog import Checkpoint
from sensorium.models.quantization import quantization_title, require_bitsandbytes

QUANTIZE = ("8bit", "4bit")
_BYTES_PER_WEIGHT = {"8bit": 1.25, "4bit": 0.75}
"""Roughly: embeddings and what writes the tokens stay in full."""
_FULL_BYTES = 4
"""Of a weight in float32."""
_DEVICES = ("cpu", "cuda")
_WITHOUT = "leave out quantize"


def known_quantize(quantize: str | None) -> str | None:
    """Return how weights are to be quantized, after checking that there is such a way.

    Raises:
        InputError: There is none.
    """
    if quantize is not None and quantize not in QUANTIZE:
        raise InputError(f"There is no way to quantize that is called {quantize!r}", f"Choose {' or '.join(QUANTIZE)}")
    return quantize


def require_quantizer(what: str, device: str) -> None:
    """Make sure that weights can be quantized on this machine, before any are fetched.

    Args:
        what: Whose weights: ``"LLaVA with 'qwen3-vl-8b'"``.
        device: Where they are to run, as `sensorium.models.device.resolve_device` returns it.

    Raises:
        UnsupportedError: The device can't run them.
        MissingDependencyError: The package isn't installed.
    """
    kind = device.partition(":")[0]
    if kind not in _DEVICES:
        raise UnsupportedError(
            f"{what} can't be quantized on {device!r}: bitsandbytes runs on CPUs and on CUDA GPUs",
            "Use device='cpu', or leave out quantize",
        )
    require_bitsandbytes(f"Quantizing {what} while it is loaded", device, _WITHOUT)


def cannot_be_quantized(what: str) -> UnsupportedError:
    """Return the error for what isn't quantized while it is loaded."""
    return UnsupportedError(
        f"{what} can't be quantized while it is loaded: only chat and language models in transformers' layout can",
        "Leave out quantize, or choose such a model",
    )


def quantizing_options(
    checkpoint: Checkpoint, folder: Path, quantize: str, *, device: str, dtype: Any
) -> dict[str, Any]:
    """Return the further arguments of transformers' ``from_pretrained`` that quantize weights while they are loaded.

    Args:
        checkpoint: For the words of an error.
        folder: Holds ``config.json`` and the weights.
        quantize: One of `QUANTIZE`.
        device: Where the weights go.
        dtype: The precision in which the model computes.

    Raises:
        UnsupportedError: The checkpoint is quantized already.
    """
    title = quantization_title(folder)
    if title:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} is quantized already, with {title}", "Leave out quantize"
        )
    import_bitsandbytes()
    import transformers

    chosen: dict[str, Any] = (
        {"load_in_8bit": True}
        if quantize == "8bit"
        else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    )
    settings: Any = transformers.BitsAndBytesConfig
    return {"quantization_config": settings(**chosen), "device_map": {"": device}}


def quantized_memory(memory_bytes: int, quantize: str | None, dtype: Any) -> int:
    """Return the memory of weights in float32 that would be as large, in ``dtype``, as the quantized weights.

    Args:
        memory_bytes: Memory of the weights in float32, in bytes.
        quantize: One of `QUANTIZE`, or None for weights that stay as they are.
        dtype: The precision of the model.
    """
    if quantize is None:
        return memory_bytes
    return int(memory_bytes * min(1.0, _BYTES_PER_WEIGHT[quantize] / dtype.itemsize))


def quantized_bytes(memory_bytes: int, quantize: str | None) -> int:
    """Return how many bytes weights take once they are quantized.

    Args:
        memory_bytes: Memory of the weights in float32, in bytes.
        quantize: One of `QUANTIZE`, or None for weights that stay as they are.
    """
    if quantize is None:
        return memory_bytes
    return int(memory_bytes * _BYTES_PER_WEIGHT[quantize] / _FULL_BYTES)


def failed(checkpoint: Checkpoint, quantize: str, error: Exception) -> SensoriumError:
    """Return the error for weights that could be read, and not quantized."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return UnsupportedError(
        f"The checkpoint {checkpoint.name!r} can't be quantized to {quantize} while it is loaded ({said.rstrip('.')})",
        "Leave out quantize, or choose another checkpoint",
    )
