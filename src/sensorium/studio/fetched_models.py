"""Models that are being fetched because somebody asked for them on the page: they come whether or not it stays open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sensorium.engine.job import JobEvent
from sensorium.errors import SensoriumError

_REMEMBERED = 20


@dataclass
class FetchedModel:
    """How far a model is.

    Attributes:
        name: As it was asked for.
        state: ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        progress: The latest: ``stage``, ``done``, ``total``, ``unit``.
        error: Why it failed, in a sentence.
    """

    name: str
    state: str = "running"
    progress: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class FetchedModels:
    """Fetches models.

    Args:
        begin: Returns the events of fetching one; closing the iterator stops it.
    """

    def __init__(self, begin: Callable[[str], Awaitable[AsyncIterator[JobEvent]]]) -> None:
        self._begin = begin
        self._models: dict[str, FetchedModel] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Any:
        return iter(self._models.values())

    async def start(self, name: str) -> None:
        """Begin to fetch a model; one that is being fetched goes on.

        Raises:
            SensoriumError: There is no such model, or others are being fetched.
        """
        if name in self._tasks and not self._tasks[name].done():
            return
        events = await self._begin(name)
        self._models.pop(name, None)
        self._models[name] = FetchedModel(name)
        while len(self._models) > _REMEMBERED:
            old = next(iter(self._models))
            self._models.pop(old)
        self._tasks[name] = asyncio.create_task(self._fetch(self._models[name], events))

    async def stop(self, name: str) -> None:
        """Stop fetching a model; what has arrived is kept for the next time."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _fetch(self, model: FetchedModel, events: AsyncIterator[JobEvent]) -> None:
        try:
            async for event in events:
                if event.document["type"] == "progress":
                    model.progress = event.document
            model.state = "done"
        except SensoriumError as error:
            model.state, model.error = "failed", str(error)
        except asyncio.CancelledError:
            model.state = "cancelled"
            await events.aclose()  # type: ignore[attr-defined]
            raise

    async def close(self) -> None:
        """Stop fetching anything."""
        await asyncio.gather(*(self.stop(name) for name in self._tasks))
