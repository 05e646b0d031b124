"""Networks that ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime

from sensorium.errors import InsufficientMemoryError, ModelUnavailableError
from sensorium.explanation import ran_out_of_memory
from sensorium.models.checkpoint import Checkpoint
from sensorium.threads import thread_count

_ONLY_ERRORS = 3


def open_session(
    graph: bytes | Path,
    folder: Path,
    checkpoint: Checkpoint,
    *,
    any_size: bool = False,
    given: Mapping[str, npt.NDArray[Any]] | None = None,
) -> onnxruntime.InferenceSession:
    """Open a network on the CPU; threads may share it.

    Args:
        graph: The ONNX file, or its content; what it leaves out of its weights lies in the checkpoint's folder.
        folder: The checkpoint's folder.
        checkpoint: Its catalog entry.
        any_size: Whether inputs have another size each time: then memory for the largest one isn't kept.
        given: Weights by name that don't lie in the files as the graph takes them.

    Raises:
        ModelUnavailableError: The checkpoint's files are missing, or shorter than they should be.
        InsufficientMemoryError: It doesn't fit into memory.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    options.log_severity_level = _ONLY_ERRORS
    options.enable_cpu_mem_arena = not any_size
    # A thread that spins while it waits takes the core of whoever else is at work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    if given:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in given.values()]
        options.add_external_initializers(list(given), values)
    try:
        return onnxruntime.InferenceSession(
            str(graph) if isinstance(graph, Path) else graph, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors have no class in common
        if ran_out_of_memory(error):
            raise InsufficientMemoryError(
                f"The checkpoint {checkpoint.name!r} needs more memory than is left", "Close other programs"
            ) from error
        raise half_there(checkpoint) from error


def half_there(checkpoint: Checkpoint) -> ModelUnavailableError:
    """Return the error of a checkpoint whose weights are damaged."""
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} can't be opened: its weights are missing, or only half there",
        f"Remove it with 'sensorium models remove {checkpoint.name}'; it is fetched anew at its next use",
    )
