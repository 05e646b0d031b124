"""Naming stretches of a recording in a sentence: "from 0:12 to 0:16, from 1:02 to 1:10 and at 4 other places"."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 3
"""How many are named."""


def stretch(start: float, end: float) -> str:
    """Return a stretch, given in seconds, in words."""
    return f"from {clock(start)} to {clock(end)}"


def listed(stretches: Sequence[str]) -> str:
    """Return the first few of some descriptions, and how many others there are."""
    named = list(stretches[:_NAMED])
    others = len(stretches) - len(named)
    if others:
        named.append(f"at {others} other place{'s' if others > 1 else ''}")
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def clock(seconds: float) -> str:
    """Return a time as ``0:12`` or ``1:00:12``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
