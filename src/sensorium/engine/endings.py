"""How a process ended, in words."""

from __future__ import annotations

import signal


def in_words(code: int | None) -> str:
    """Return how a process ended, to be put after its name: "was killed by signal 9 (Killed)".

    Args:
        code: Its exit code, negative for the signal that killed it; None if nobody knows.
    """
    if code is None:
        return "ended, and nobody knows why"
    if code < 0:
        try:
            return f"was killed by signal {-code} ({signal.strsignal(-code)})"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"exited with code {code}" if code else "ended by itself"
