"""Finished jobs: the files that they made, the way back to their tab, and how to delete them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import gradio as gr

from sensorium.engine.job import ENDED, Job
from sensorium.errors import InputError, SensoriumError
from sensorium.studio.choice import choice, chosen_of, offered
from sensorium.studio.job_panel import PRIVATE, JobPanel
from sensorium.studio.tabs.machine.tables import hint, table
from sensorium.studio.workroom import Workroom

_HIDDEN: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}
_SHOWN = 20


class Finished:
    """The part of the tab.

    Args:
        room: What it works with.
        tabs: All tabs of the page, one of which is opened.
    """

    def __init__(self, room: Workroom, tabs: gr.Tabs) -> None:
        self._room = room
        words = room.words
        self.shown = gr.HTML("", elem_id="machine-finished")
        self.chosen = choice(words("machine.job"), "machine-finished-job")
        with gr.Row():
            fetch, show, delete = (
                gr.Button(words(f"machine.{name}"), size="sm", elem_id=f"machine-{name}")
                for name in ("files", "open", "delete")
            )
        self.told = gr.HTML("", elem_id="machine-finished-told", elem_classes="told")
        files = gr.File(
            label=words("machine.made"), file_count="multiple", interactive=False, visible=False, elem_id="machine-made"
        )
        fetch.click(self._files, [self.chosen], [self.told, files], **_HIDDEN)
        delete.click(self._delete, [self.chosen], [self.told, files], **_HIDDEN)
        # A job's panel opens what is put into its own field; the field is empty again afterwards.
        self._panels = list(room.panels)
        opened = [gr.State("") for _ in self._panels]
        for panel, job in zip(self._panels, opened, strict=True):
            panel.opens(job.change, job)
        asked = show.click(self._open, [self.chosen], [self.told, tabs, *opened], **_HIDDEN)
        asked.then(lambda: [""] * len(opened), None, opened, **_HIDDEN)

    @property
    def outputs(self) -> list[Any]:
        """What `drawn` is for."""
        return [self.shown, self.chosen]

    async def jobs(self, request: gr.Request) -> list[Job]:
        """Return the latest jobs of the visitor's that have ended."""
        return await self._room.engine.jobs(owner=self._room.owner(request), states=tuple(ENDED), limit=_SHOWN)

    def drawn(self, jobs: list[Job]) -> list[Any]:
        """Return the table, and what can be chosen."""
        words = self._room.words
        offers = offered((_line(job), job.id) for job in jobs)
        if not jobs:
            return [hint(words("machine.nothing_done"), words("machine.finished")), offers]
        heads = [words(f"machine.{name}") for name in ("job", "state", "model", "made")]
        rows = [
            (_line(job), words(f"machine.ended_{job.state}"), job.model or "–", str(len(job.artifacts) or "–"))
            for job in jobs
        ]
        return [table(words("machine.finished"), heads, rows), offers]

    async def _files(self, chosen: Mapping[str, Any], request: gr.Request) -> list[Any]:
        try:
            found = await self._room.engine.job(self._named(chosen), owner=self._room.owner(request))
            if not found.artifacts:
                raise InputError(self._room.words("machine.no_files"))
            files = [await self._room.file_of(found.id, artifact.name, request) for artifact in found.artifacts]
        except SensoriumError as error:
            return [JobPanel.said(str(error), "alert"), gr.update(visible=False)]
        return ["", gr.update(value=files, visible=True)]

    async def _delete(self, chosen: Mapping[str, Any], request: gr.Request) -> list[Any]:
        try:
            await self._room.engine.delete(self._named(chosen), owner=self._room.owner(request))
        except SensoriumError as error:
            return [JobPanel.said(str(error), "alert"), gr.skip()]
        return [JobPanel.said(self._room.words("machine.deleted")), gr.update(value=None, visible=False)]

    async def _open(self, chosen: Mapping[str, Any], request: gr.Request) -> list[Any]:
        nothing = [gr.skip() for _ in self._panels]
        try:
            found = await self._room.engine.job(self._named(chosen), owner=self._room.owner(request))
            panel = next((each for each in self._panels if found.operation in each.operations), None)
            if panel is None:
                raise InputError(self._room.words("machine.no_tab", operation=found.operation))
        except SensoriumError as error:
            return [JobPanel.said(str(error), "alert"), gr.skip(), *nothing]
        opened = [found.id if each is panel else gr.skip() for each in self._panels]
        return ["", gr.Tabs(selected=panel.tab), *opened]

    def _named(self, chosen: Mapping[str, Any]) -> str:
        job = chosen_of(chosen)
        if not job:
            raise InputError(self._room.words("machine.none_chosen"))
        return job


def _line(job: Job) -> str:
    ended = datetime.fromtimestamp(job.ended or job.created).strftime("%m-%d %H:%M:%S")
    return f"{job.operation} · {ended}"
