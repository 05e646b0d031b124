"""Networks as ONNX graphs: the graph is shipped, its weights are read from the files of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.models.catalog import Checkpoint
from sensorium.models.onnx_session import open_session

_DATA = package_files("sensorium.vision_language.starter").joinpath("data")


class OnnxGraph:
    """A network that ONNX Runtime computes on the CPU; threads may share it.

    A graph names the place of each weight in the checkpoint's files, which ONNX Runtime maps into memory: nothing is
    converted or unpickled. ``training/conse_starter/export_graphs.py`` writes the graphs.

    Args:
        name: The graph's file in ``data/``.
        folder: The checkpoint's folder.
        checkpoint: Its catalog entry.
        given: Weights by name that don't lie in the files as the graph takes them.

    Raises:
        ModelUnavailableError: The checkpoint's files are missing, or shorter than they should be.
    """

    def __init__(
        self, name: str, folder: Path, checkpoint: Checkpoint, *, given: Mapping[str, npt.NDArray[Any]] | None = None
    ) -> None:
        self._session = open_session(_DATA.joinpath(name).read_bytes(), folder, checkpoint, given=given)

    def run(self, outputs: Sequence[str], **inputs: np.ndarray) -> list[npt.NDArray[np.float32]]:
        """Return some outputs, given all inputs by name."""
        found: list[npt.NDArray[np.float32]] = self._session.run(list(outputs), inputs)
        return found
