"""Networks as ONNX graphs: the graph is shipped, its weights are read from the files of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from sensorium.errors import InsufficientMemoryError, ModelUnavailableError
from sensorium.explanation import ran_out_of_memory
from sensorium.models.catalog import Checkpoint
from sensorium.threads import thread_count

_DATA = package_files("sensorium.vision_language.starter").joinpath("data")
_ONLY_ERRORS = 3


class OnnxGraph:
    """A network that ONNX Runtime computes on the CPU; threads may share it.

    A graph names the place of each weight in the checkpoint's files, which ONNX Runtime maps into memory: nothing is
    converted or unpickled. ``training/conse_starter/export_graphs.py`` writes the graphs.

    Args:
        name: The graph's file in ``data/``.
        folder: The checkpoint's folder.
        checkpoint: Its catalog entry.

    Raises:
        ModelUnavailableError: The checkpoint's files are missing, or shorter than they should be.
    """

    def __init__(self, name: str, folder: Path, checkpoint: Checkpoint) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count()
        options.log_severity_level = _ONLY_ERRORS
        # A thread that spins while it waits takes the core of whoever else is at work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
        graph = _DATA.joinpath(name).read_bytes()
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no class in common
            if ran_out_of_memory(error):
                raise InsufficientMemoryError(
                    f"The checkpoint {checkpoint.name!r} needs more memory than is left", "Close other programs"
                ) from error
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} can't be opened: its weights are missing, or only half there",
                f"Remove it with 'sensorium models remove {checkpoint.name}'; it is fetched anew at its next use",
            ) from error

    def run(self, outputs: Sequence[str], **inputs: np.ndarray) -> list[npt.NDArray[np.float32]]:
        """Return some outputs, given all inputs by name."""
        found: list[npt.NDArray[np.float32]] = self._session.run(list(outputs), inputs)
        return found
