"""What the bits of a picture depend on besides its settings: the device and the libraries."""

from __future__ import annotations

import platform

import diffusers
import torch


def describe_device(device: str, dtype: torch.dtype) -> str:
    """Return kind of device, precision and library versions, for the settings of a picture.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: The precision of the weights.
    """
    if device.startswith("cuda"):
        where = torch.cuda.get_device_name(torch.device(device))
    else:
        where = f"{device} {platform.machine()}, {torch.get_num_threads()} threads"
    precision = str(dtype).removeprefix("torch.")
    return f"{where}, {precision}, torch {torch.__version__}, diffusers {diffusers.__version__}"
