"""Opening a generating model of transformers where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import Placement
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model


def open_placed(
    model_class: Any, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str
) -> tuple[Any, Placement]:
    """Open a model where `sensorium.models.device.place` says.

    Args:
        model_class: The class of transformers.
        folder: Holds ``config.json`` and the weights.
        checkpoint: For the words of an error.
        device: ``"auto"`` or a device.
        dtype: ``"auto"`` or a precision.

    Returns:
        The model, and where its inputs go and in which precision.

    Raises:
        ModelUnavailableError: Weights are missing, incomplete or damaged.
        InsufficientMemoryError: The weights don't fit.
    """
    placement = devices.place(device, dtype, memory_bytes=weights_memory(folder))
    with devices.explain_out_of_memory(
        f"The checkpoint {checkpoint.name!r}", "Choose a smaller checkpoint, or close other programs"
    ):
        model = open_model(
            model_class,
            folder,
            checkpoint=checkpoint,
            device="cpu" if placement.offload else placement.device,
            dtype=placement.dtype,
        )
        if placement.offload:
            import accelerate

            # One model has no parts that could wait for one another, so the card holds a layer at a time.
            model = accelerate.cpu_offload(model, execution_device=torch.device(placement.device))
    return model, placement
