"""Jobs that a page looks at: what they have told so far, gathered beside the page, which only asks now and then."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sensorium.engine.interface import Engine
from sensorium.engine.job import ENDED, Job
from sensorium.errors import SensoriumError

_KEPT = 600.0
"""Seconds that a job is watched on after a page asked for it last."""


@dataclass
class WatchedJob:
    """What is known of a job.

    Attributes:
        job: As it is now.
        parts: Documents of the parts of the result that are finished.
        text: The pieces of a text that is being written.
        preview: A small picture of what is being painted, as the bytes of a JPEG file; b"" before the first.
        notes: What the job wants its user to know.
        changes: Grows with everything that it tells: a page that has seen this number has nothing to draw.
    """

    job: Job
    parts: list[Mapping[str, Any]] = field(default_factory=list)
    text: str = ""
    preview: bytes = b""
    notes: list[str] = field(default_factory=list)
    changes: int = 1

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.job.state in ENDED

    def hear(self, document: Mapping[str, Any]) -> None:
        """Take an event."""
        self.changes += 1
        match document:
            case {"type": "finished", "result": result}:
                self.parts.append(result)
            case {"type": "piece", "text": text}:
                self.text += text
            case {"type": "preview", "image": image}:
                self.preview = base64.b64decode(image)
            case {"type": "note", "text": text}:
                self.notes.append(text)
            case {"type": "restarted"}:
                self.parts, self.text, self.preview, self.notes = [], "", b"", []


class WatchedJobs:
    """Watches jobs for pages.

    Args:
        engine: Runs them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watched: dict[str, WatchedJob] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, float] = {}

    async def look(self, job: str, owner: str | None) -> WatchedJob:
        """Return what is known of a job, and watch it on.

        Args:
            job: Its id.
            owner: Whose it must be; None for anybody's.

        Raises:
            NotFoundError: There is no such job.
        """
        now = await self._engine.job(job, owner=owner)
        watched = self._watched.setdefault(job, WatchedJob(now))
        if watched.job != now:
            watched.job = now
            watched.changes += 1
        self._asked[job] = time.monotonic()
        if job not in self._tasks:
            self._tasks[job] = asyncio.create_task(self._watch(job, owner))
            await asyncio.sleep(0)  # what is told already comes at once
        self._forget()
        return watched

    async def _watch(self, job: str, owner: str | None) -> None:
        with suppress(SensoriumError):
            async for event in self._engine.events(job, owner=owner):
                self._watched[job].hear(event.document)

    def _forget(self) -> None:
        old = time.monotonic() - _KEPT
        for job in [job for job, asked in self._asked.items() if asked < old]:
            self._tasks.pop(job).cancel()
            del self._watched[job], self._asked[job]

    async def close(self) -> None:
        """Watch nothing any more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
