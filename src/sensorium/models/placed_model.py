"""Opening a model of transformers on the device, and in the precision, that `place` chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import Placement
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import WeightsPart, open_model
from sensorium.models.quantization import stays_packed
from sensorium.models.quantizing import quantized_memory
from sensorium.models.thread_safe import loading_weights


def open_placed(
    model_class: Any,
    folder: Path,
    *,
    checkpoint: Checkpoint,
    device: str,
    dtype: str,
    quantize: str | None = None,
    part: WeightsPart | None = None,
) -> tuple[Any, Placement]:
    """Open a model on the device, and in the precision, that `sensorium.models.device.place` chooses.

    Args:
        model_class: The class of transformers.
        folder: Holds ``config.json`` and the weights.
        checkpoint: Named in errors.
        device: ``"auto"`` or a device.
        dtype: ``"auto"`` or a precision.
        quantize: Quantizes the weights while they are loaded: ``"8bit"`` or ``"4bit"``; None to leave them.
        part: The part of the checkpoint that is opened; None for all of it.

    Returns:
        The model, and where its inputs go and in which precision.

    Raises:
        ModelUnavailableError: Weights are missing, incomplete or damaged.
        UnsupportedError: They are quantized in a way that doesn't run here.
        MissingDependencyError: They are quantized, and the package that runs them is not installed.
        InsufficientMemoryError: The weights don't fit.
    """
    precision = devices.resolve_dtype(dtype, devices.resolve_device(device))
    memory = weights_memory(folder, part.prefix if part else "")
    placement = devices.place(device, dtype, memory_bytes=quantized_memory(memory, quantize, precision))
    # Weights that stay quantized can't be copied layer by layer: they run where they are, or memory runs out.
    offloads = bool(placement.offload) and quantize is None and not stays_packed(folder, "transformers")
    with devices.explain_out_of_memory(
        f"The checkpoint {checkpoint.name!r}", "Choose a smaller checkpoint, or close other programs"
    ):
        model = open_model(
            model_class,
            folder,
            checkpoint=checkpoint,
            device="cpu" if offloads else placement.device,
            dtype=placement.dtype,
            quantize=quantize,
            part=part,
        )
        if offloads:
            with loading_weights:
                _run_layer_by_layer(model, torch.device(placement.device))
    return model, placement


def _run_layer_by_layer(model: Any, device: torch.device) -> None:
    """Keep the weights in main memory, and copy one layer at a time to the GPU, which is slow but needs little room."""
    import accelerate
    from accelerate.hooks import remove_hook_from_module

    # Parameters of modules that also contain other modules (a query token, the start of a line of patches) stay on the
    # GPU: they are small, and accelerate doesn't know all the methods that use them.
    loose = [
        (module, {name: value.to(device) for name, value in module.named_parameters(recurse=False)})
        for module in model.modules()
        if next(module.children(), None) is not None and next(module.parameters(recurse=False), None) is not None
    ]
    accelerate.cpu_offload(model, execution_device=device)
    for module, values in loose:
        remove_hook_from_module(module)
        for name, value in values.items():
            setattr(module, name, torch.nn.Parameter(value, requires_grad=False))
