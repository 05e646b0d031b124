"""How a command ends when something fails: one sentence, and an exit code that scripts can rely on."""

from __future__ import annotations

import errno
import re
import shlex
from typing import Any

from sensorium import settings
from sensorium.errors import (
    CancelledError,
    InputError,
    InternalError,
    MissingDependencyError,
    ModelUnavailableError,
    SensoriumError,
)
from sensorium.explanation import explained

ALL_GOOD = 0
SOME_FAILED = 1
BAD_INPUT = 2
UNAVAILABLE = 3
INTERNAL_ERROR = 70
CANCELLED = 130
OUTPUT_CLOSED = 141

_OPTIONS = {
    name: name
    for name in ("model", "device", "dtype", "quantize", "language", "consent", "safety", "system", "profile")
} | {
    "num_frames": "frames",
    "control_image": "map",
    "init_image": "init",
}
"""Maps names of Python arguments to the options of the command line with the same meaning."""


def as_options(sentence: str) -> str:
    """Replace Python arguments in a sentence by options: ``device='cpu'`` becomes ``--device cpu``."""
    return re.sub(
        rf"\b({'|'.join(_OPTIONS)})=(?:'([^']*)'|…)",
        lambda found: f"--{_OPTIONS[found[1]]} {shlex.quote(found[2]) if found[2] else ''}".rstrip(),
        sentence,
    )


def explain(error: Exception) -> SensoriumError:
    """Return an error as the user shall see it; with ``SENSORIUM_DEBUG``, print an unexpected error's traceback too."""
    if isinstance(error, SensoriumError):
        return type(error)(as_options(error.message), as_options(error.remedy))
    if settings.debugging():
        import traceback

        traceback.print_exception(error)
    said = explained(error, remedy="Set SENSORIUM_DEBUG=1 to see where, and report it, please")
    if isinstance(said, InputError) and isinstance(error, OSError) and error.filename:
        from sensorium.media.naming import display_name

        shorter = "Give a shorter name" if error.errno == errno.ENAMETOOLONG else ""
        return InputError(f"{said.message}: {display_name(error.filename)}", shorter)
    return said


def exit_code(error: SensoriumError) -> int:
    """Return the exit code of a command that ends with ``error``."""
    if isinstance(error, CancelledError):
        return CANCELLED
    if isinstance(error, (ModelUnavailableError, MissingDependencyError)):
        return UNAVAILABLE
    return INTERNAL_ERROR if isinstance(error, InternalError) else BAD_INPUT


def as_document(error: SensoriumError, name: str | None = None) -> dict[str, Any]:
    """Return an error in the form that ``--json`` prints.

    Args:
        error: What went wrong.
        name: The input that caused the error; None if the error concerns the whole call.
    """
    document: dict[str, Any] = {} if name is None else {"input": name}
    document["error"] = error.to_dict()
    return document
