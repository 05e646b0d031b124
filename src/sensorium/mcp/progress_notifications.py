"""A job's events as the progress notifications of a tool call: one number that only grows, and a few words."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

Notify: TypeAlias = Callable[[float, float | None, str], Awaitable[None]]
"""Sends how far a call is: done, of how much (None where nobody knows), and what is done now."""

_SECONDS_BETWEEN = 0.25
"""An agent's window is redrawn for each notification."""
_NUDGE = 0.001
"""What a number grows by where nothing is done: clients may drop one that they have seen."""


class ProgressNotifications:
    """Tells how far a job is.

    The stages of a job each begin at 0, the numbers of a call must grow: so each stage goes on where the last one was.

    Args:
        notify: Sends a notification.
    """

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._stage = ""
        self._before = 0.0
        self._sent = -1.0
        self._last = float("-inf")

    async def hear(self, event: Mapping[str, Any]) -> None:
        """Take an event of the job, as its document."""
        match event:
            case {"type": "progress", "stage": stage, "done": done, "total": total}:
                if stage != self._stage:
                    self._stage, self._before, self._last = stage, max(self._sent, 0.0), float("-inf")
                whole = None if total is None else self._before + total
                await self._send(self._before + done, whole, f"{stage}: {_told(event)}")
            case {"type": "state", "state": "queued", "position": int(position)}:
                await self._send(0.0, None, f"waiting, {position} before this one")
            case {"type": "note", "text": text}:
                self._last = float("-inf")
                await self._send(0.0, None, text)

    async def _send(self, done: float, total: float | None, message: str) -> None:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN:
            return
        self._sent = done if done > self._sent else self._sent + _NUDGE
        self._last = now
        await self._notify(self._sent, None if total is None else max(total, self._sent), message)


def _told(event: Mapping[str, Any]) -> str:
    total = "" if event["total"] is None else f" of {event['total']:.0f}"
    return f"{event['done']:.0f}{total} {event['unit']}"
