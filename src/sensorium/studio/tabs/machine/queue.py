"""The queue: what runs and what waits, in which order, and whether anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from sensorium.engine.job import Job, State
from sensorium.errors import InputError, SensoriumError
from sensorium.studio.choice import choice, chosen_of, offered
from sensorium.studio.job_panel import PRIVATE, JobPanel
from sensorium.studio.tabs.machine.tables import hint, table
from sensorium.studio.workroom import Workroom

_HIDDEN: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}
_OPEN: tuple[State, ...] = ("queued", "running")


class Queue:
    """The part of the tab.

    Args:
        room: What it works with.
    """

    def __init__(self, room: Workroom) -> None:
        self._room = room
        words = room.words
        self.shown = gr.HTML("", elem_id="machine-queue")
        self.chosen = choice(words("machine.job"), "machine-job")
        with gr.Row():
            earlier, later, cancel, pause, resume = (
                gr.Button(words(f"machine.{name}"), size="sm", min_width=90, elem_id=f"machine-{name}")
                for name in ("earlier", "later", "cancel", "pause", "resume")
            )
        self.told = gr.HTML("", elem_id="machine-queue-told", elem_classes="told")
        for button, act in ((earlier, self._earlier), (later, self._later), (cancel, self._cancel)):
            button.click(act, [self.chosen], [self.told], **_HIDDEN)
        pause.click(self._pause, None, [self.told], **_HIDDEN)
        resume.click(self._resume, None, [self.told], **_HIDDEN)

    @property
    def outputs(self) -> list[Any]:
        """What `drawn` is for."""
        return [self.shown, self.chosen]

    async def jobs(self, request: gr.Request) -> list[Job]:
        """Return what runs and then what waits, in the order in which it starts."""
        found = await self._room.engine.jobs(owner=self._room.reach(request), states=_OPEN, limit=200)
        return sorted(found, key=lambda job: (-1 if job.position is None else job.position, job.created))

    def drawn(self, jobs: list[Job], paused: bool) -> list[Any]:
        """Return the table, and what can be chosen."""
        words = self._room.words
        offers = offered((f"{job.operation} · {job.id[:8]}", job.id) for job in jobs)
        note = JobPanel.said(words("machine.paused")) if paused else ""
        if not jobs:
            return [note + hint(words("machine.no_jobs"), words("machine.queue")), offers]
        heads = [words(f"machine.{name}") for name in ("job", "state", "model", "of")]
        rows = [
            (f"{job.operation} · {job.id[:8]}", self._state(job), job.model or "–", job.owner or "–") for job in jobs
        ]
        return [note + table(words("machine.queue"), heads, rows), offers]

    def _state(self, job: Job) -> str:
        words, told = self._room.words, job.progress or {}
        if job.state == "queued":
            return words("job.queued", before=job.position or 0)
        return (
            f"{words('job.running')} {100 * told['done'] / told['total']:.0f} %"
            if told.get("total")
            else words("job.running")
        )

    async def _earlier(self, chosen: Mapping[str, Any], request: gr.Request) -> str:
        return await self._moved(chosen, request, -1)

    async def _later(self, chosen: Mapping[str, Any], request: gr.Request) -> str:
        return await self._moved(chosen, request, 1)

    async def _moved(self, chosen: Mapping[str, Any], request: gr.Request, by: int) -> str:
        async def act() -> None:
            engine, reach = self._room.engine, self._room.reach(request)
            now = await engine.job(self._named(chosen), owner=reach)
            await engine.move(now.id, max(0, (now.position or 0) + by), owner=reach)

        return await self._done(act())

    async def _cancel(self, chosen: Mapping[str, Any], request: gr.Request) -> str:
        async def act() -> None:
            await self._room.engine.cancel(self._named(chosen), owner=self._room.reach(request))

        return await self._done(act())

    async def _pause(self, request: gr.Request) -> str:
        async def act() -> None:
            self._room.require_administrator(request, self._room.words("machine.queue"))
            await self._room.engine.pause()

        return await self._done(act())

    async def _resume(self, request: gr.Request) -> str:
        async def act() -> None:
            self._room.require_administrator(request, self._room.words("machine.queue"))
            await self._room.engine.resume()

        return await self._done(act())

    def _named(self, chosen: Mapping[str, Any]) -> str:
        job = chosen_of(chosen)
        if not job:
            raise InputError(self._room.words("machine.none_chosen"))
        return job

    async def _done(self, act: Any) -> str:
        try:
            await act
        except SensoriumError as error:
            return JobPanel.said(str(error), "alert")
        return ""
