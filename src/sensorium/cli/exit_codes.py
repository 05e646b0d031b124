"""How a command ends: exit codes that scripts can rely on."""

from __future__ import annotations

from typing import Any

from sensorium.errors import CancelledError, MissingDependencyError, ModelUnavailableError, SensoriumError

ALL_GOOD = 0
SOME_FAILED = 1
BAD_INPUT = 2
UNAVAILABLE = 3
INTERNAL_ERROR = 70
CANCELLED = 130
OUTPUT_CLOSED = 141


def exit_code(error: SensoriumError) -> int:
    """Return the exit code of a command that ends with ``error``."""
    if isinstance(error, CancelledError):
        return CANCELLED
    if isinstance(error, (ModelUnavailableError, MissingDependencyError)):
        return UNAVAILABLE
    return BAD_INPUT


def as_document(error: SensoriumError, name: str | None = None) -> dict[str, Any]:
    """Return an error in the form that ``--json`` prints.

    Args:
        error: What went wrong.
        name: The input that it is about; None if it is about the whole call.
    """
    document: dict[str, Any] = {} if name is None else {"input": name}
    document["error"] = {"type": type(error).__name__, "message": error.message, "remedy": error.remedy}
    return document
