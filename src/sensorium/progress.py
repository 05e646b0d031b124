"""How long calls report and how they are cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from sensorium.errors import CancelledError


@dataclass(frozen=True)
class Progress:
    """One report of a running call.

    Attributes:
        stage: What is being done, in a few words ("fetching whisper-base", "transcribing").
        done: How much of it is done, in ``unit``.
        total: How much there is in all, or None where nobody can know yet.
        unit: What is counted ("seconds", "bytes", "files", "steps", "tokens").
    """

    stage: str
    done: float
    total: float | None = None
    unit: str = "steps"


ProgressCallback: TypeAlias = Callable[[Progress], None]
"""Called from time to time with a `Progress`; must return quickly."""

Cancellation: TypeAlias = threading.Event
"""Set it from any thread, and the call that was given it stops with `CancelledError`."""


def report(callback: ProgressCallback | None, stage: str, done: float, total: float | None, unit: str) -> None:
    """Report progress to ``callback``, if there is one."""
    if callback is not None:
        callback(Progress(stage, done, total, unit))


def check_cancelled(cancel: Cancellation | None) -> None:
    """Raise `CancelledError` if ``cancel`` is set."""
    if cancel is not None and cancel.is_set():
        raise CancelledError("The job was cancelled")
