"""For whom a request asks, and what that one may do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        owner: Whose jobs, uploads and voices the request makes and finds; "" where there are no keys.
        administrator: Whether it may pause the queue, load and unload models, and find what belongs to others.
    """

    owner: str = ""
    administrator: bool = False


SCOPE = "sensorium.caller"
"""Where a request's scope holds its `Caller`."""
