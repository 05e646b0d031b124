"""Errors that mean that memory has run out, however a library says it."""

from __future__ import annotations

import errno

import pytest

from sensorium.errors import InsufficientMemoryError, InternalError
from sensorium.explanation import explained, ran_out_of_memory


def chained(error: Exception, cause: Exception) -> Exception:
    """Return an error as it is raised from another."""
    try:
        raise error from cause
    except Exception as raised:
        return raised


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("mkl_malloc: failed to allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libc.so: cannot allocate memory in static TLS block"),
        chained(RuntimeError("Failed to import diffusers.loaders.peft"), ImportError("x: failed to map segment")),
    ],
)
def test_exhausted_memory_is_recognised(error: Exception) -> None:
    assert ran_out_of_memory(error)
    assert type(explained(error, remedy="Report it")) is InsufficientMemoryError


def test_other_errors_are_not_taken_for_it() -> None:
    assert not ran_out_of_memory(ImportError("No module named 'torch'"))
    assert not ran_out_of_memory(OSError(errno.ENOSPC, "No space left on device"))
    error = ValueError("something else, which stands for itself")
    error.__context__, error.__suppress_context__ = MemoryError(), True  # raised ``from None``
    assert type(explained(error, remedy="Report it")) is InternalError
