"""Pickled weights become safetensors, in a child process: ``python -m sensorium.models.pickle_conversion FROM TO``.

Of the pickle only numbers are read: torch's restricted reader (``weights_only``) calls nothing that a file names.
"""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.models.child_process import run_child
from sensorium.models.weight_files import CONVERTED, is_weight
from sensorium.progress import Cancellation

logger = logging.getLogger("sensorium.models")


def convert(source: Path, pickle: str, target: Path, cancel: Cancellation | None) -> None:
    """Copy a checkpoint whose weights are a pickle; the copy has safetensors.

    Args:
        source: The checkpoint's folder; only its root is looked at, and folders without weights.
        pickle: The name of the weights there.
        target: An empty folder.
        cancel: Stops the conversion.

    Raises:
        ModelUnavailableError: The pickle holds something else than weights, or is damaged.
        CancelledError: ``cancel`` was set.
    """
    for path in (each for each in source.rglob("*") if each.is_file() and not is_weight(each.name)):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    program = [sys.executable, "-P", "-m", "sensorium.models.pickle_conversion"]
    ended = run_child([*program, str(source / pickle), str(target / CONVERTED)], watch=lambda _: None, cancel=cancel)
    if not ended.success:
        logger.info("conversion: %s", ended.complaint.strip()[-2000:])
        raise ModelUnavailableError(
            f"{pickle} can't be converted: it holds something else than weights, or is damaged, or there is no room",
            "Free memory and disk space, or choose another checkpoint",
        )


def main(source: str, target: str) -> int:
    """Convert one file; return the exit status."""
    import torch
    from safetensors.torch import save_file

    read: Any = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(read, dict) or not all(isinstance(value, torch.Tensor) for value in read.values()):
        sys.stderr.write("the pickle is no table of tensors\n")
        return 1
    written: dict[str, torch.Tensor] = {}
    known: set[int] = set()
    for name, tensor in read.items():
        place = tensor.untyped_storage().data_ptr()
        # safetensors keeps no two names for the same numbers
        written[str(name)] = tensor.contiguous().clone() if place in known else tensor.contiguous()
        known.add(place)
    save_file(written, target, metadata={"format": "pt"})
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
