"""Jobs that are begun by one click, one for each of many files: they run in one pass where the model can do that."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast

import gradio as gr

from sensorium.engine.job import Job
from sensorium.errors import NotFoundError, SensoriumError
from sensorium.operations.operation import Operation
from sensorium.studio.job_panel import JobPanel, Show
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.workroom import Workroom

ShowAll: TypeAlias = Callable[[Sequence[WatchedJob], gr.Request], Awaitable[Sequence[Any]]]
"""Returns what the outputs show of jobs, in the order in which they were made."""

_APART = 5.0
"""Seconds between two jobs that were begun by one click, at most; only another device has to guess it."""


class JobGroup(JobPanel):
    """The panel of jobs that belong together; its `Event`s make a list of operations.

    Its `job` holds their ids, with spaces between them.

    Args:
        room: What the tab works with.
        name: Of the part, unique on the page.
        operations: The names of the operations that it submits.
        outputs: What shows the results.
        show: Says what.
    """

    def __init__(
        self, room: Workroom, name: str, operations: Sequence[str], outputs: Sequence[Any], show: ShowAll
    ) -> None:
        super().__init__(room, name, operations, outputs, cast(Show, show))
        self._show_all = show

    async def _begun(self, made: Sequence[Operation], request: gr.Request) -> str:
        begun: list[str] = []
        try:
            for operation in made:
                begun.append((await self._room.submit(operation, request)).id)
        except SensoriumError:
            # What was begun goes on, but nobody would look at it.
            await self._end(" ".join(begun), request)
            raise
        return " ".join(begun)

    async def _latest(self, request: gr.Request) -> str:
        found = await self._room.engine.jobs(owner=self._room.owner(request), limit=100)
        group: list[Job] = []
        for job in found:
            if group and (job.operation != group[-1].operation or group[-1].created - job.created > _APART):
                break
            if group or job.operation in self.operations:
                group.append(job)
        return " ".join(job.id for job in reversed(group))

    async def _end(self, job: str, request: gr.Request) -> None:
        owner = self._room.owner(request)
        await asyncio.gather(*(self._room.engine.cancel(each, owner=owner) for each in job.split()))

    async def _drawn(self, job: str, seen: int, request: gr.Request) -> list[Any]:
        if not job:
            return self._nothing()
        watched = await self._there(job, request)
        changes, ended = sum(each.changes for each in watched), all(each.ended for each in watched)
        if changes == seen and not ended:
            return [gr.skip() for _ in (*self._own, *self._outputs)]
        outputs = await self._show_all(watched, request)
        return [*self._standing(job, changes, self._how_far(watched), ended=ended), *outputs]

    async def _there(self, job: str, request: gr.Request) -> list[WatchedJob]:
        found = await asyncio.gather(*(self._room.look(each, request) for each in job.split()), return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException) and not isinstance(each, NotFoundError):
                raise each
        there = [each for each in found if isinstance(each, WatchedJob)]
        if not there:
            raise cast(NotFoundError, found[0])
        return there

    def _how_far(self, watched: Sequence[WatchedJob]) -> str:
        """Return the line that says how far they are."""
        if len(watched) == 1 or not any(each.ended for each in watched):
            return self._status(watched[-1])
        words, ended = self._room.words, [each for each in watched if each.ended]
        if len(ended) < len(watched):
            share, text = len(ended) / len(watched), words("job.some", done=len(ended), all=len(watched))
            return (
                self.said(text) + f'<progress max="1" value="{share:.3f}" aria-label="{html.escape(text)}"></progress>'
            )
        done = [each.job for each in watched if each.job.state == "done"]
        if not done:
            return self._status(watched[-1])
        seconds = max(job.ended or 0.0 for job in done) - min(job.started or 0.0 for job in done)
        model = (done[0].result or {}).get("model")
        by = words("job.by", model=model) if model else ""
        told = self.said(words("job.done", seconds=f"{max(0.0, seconds):.1f}") + by)
        failed = len(watched) - len(done)
        return told + (f"<p>{html.escape(words('job.not_done', count=failed))}</p>" if failed else "")
