"""Errors of any kind, told as one of ours: a plain sentence with a remedy."""

from __future__ import annotations

import errno

from sensorium.errors import InputError, InsufficientMemoryError, InternalError, SensoriumError

_EXHAUSTED = (
    "defaultcpuallocator: can't allocate memory",
    "defaultcpuallocator: not enough memory",
    "failed to allocate memory",
    "out of memory",
    "bad_alloc",
    "failed to map segment",
    "cannot allocate memory",
)
"""How torch, ONNX Runtime, CTranslate2, C++ and the system's loader of libraries say that memory has run out, in errors
of classes that mean anything else too."""


def explained(error: BaseException, *, remedy: str) -> SensoriumError:
    """Return an error as one of ours.

    Args:
        error: Any error; one of ours is returned as it is.
        remedy: What to do about a mistake in Sensorium or in a library.
    """
    if isinstance(error, SensoriumError):
        return error
    if ran_out_of_memory(error):
        return InsufficientMemoryError("Memory ran out", "Take a smaller input or a smaller model")
    if isinstance(error, OSError):
        return InputError(f"The system refused: {error.strerror or error}")
    return InternalError(f"Something went wrong inside sensorium ({type(error).__name__})", remedy)


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python or of a library, or one that caused it, says that memory has run out."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return _says_memory_ran_out(error) or (cause is not None and ran_out_of_memory(cause))


def _says_memory_ran_out(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError):
        return True
    # torch.OutOfMemoryError is a RuntimeError; those of ONNX Runtime have no class in common.
    return not isinstance(error, SensoriumError) and any(words in str(error).lower() for words in _EXHAUSTED)
