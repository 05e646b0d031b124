"""Fetching a model: chosen of the catalog or named as on the hub, with its progress."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Iterator
from typing import Any

import gradio as gr

from sensorium.errors import InputError, SensoriumError
from sensorium.models import catalog, store
from sensorium.studio.fetched_models import FetchedModel
from sensorium.studio.job_panel import PRIVATE, JobPanel
from sensorium.studio.tabs.machine.tables import size
from sensorium.studio.workroom import Workroom

_HIDDEN: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}


class Fetching:
    """The part of the tab.

    Args:
        room: What it works with.
        page: Fills in what is there whenever it is opened.
    """

    def __init__(self, room: Workroom, page: gr.Blocks) -> None:
        self._room = room
        words = room.words
        with gr.Accordion(words("machine.fetch_title"), open=False, elem_id="machine-fetching"):
            name = gr.Dropdown(
                [], label=words("machine.fetch_name"), info=words("machine.fetch_hint"), allow_custom_value=True,
                elem_id="machine-fetch-name",
            )  # fmt: skip
            with gr.Row():
                fetch = gr.Button(words("machine.fetch"), size="sm", elem_id="machine-fetch")
                stop = gr.Button(words("machine.stop"), size="sm", elem_id="machine-stop")
            told = gr.HTML("", elem_id="machine-fetch-told", elem_classes="told")
            self.shown = gr.HTML("", elem_id="machine-fetched")
        fetch.click(self._fetch, [name], [told], **_HIDDEN)
        stop.click(self._stop, [name], [told], **_HIDDEN)
        page.load(self._choices, None, [name], **_HIDDEN)

    def seen(self) -> Any:
        """Return what `drawn` depends on."""
        return [(each.name, each.state, dict(each.progress), each.error) for each in self._room.fetched]

    def drawn(self) -> str:
        """Return how far each model is."""
        return "".join(self._line(each) for each in self._room.fetched)

    def _line(self, model: FetchedModel) -> str:
        words = self._room.words
        if model.state != "running":
            text = words(f"machine.fetch_{model.state}", model=model.name, error=model.error)
            return JobPanel.said(text, "alert" if model.state == "failed" else "status")
        done, total = model.progress.get("done") or 0, model.progress.get("total") or 0
        line = JobPanel.said(words("machine.fetch_running", model=model.name, stage=model.progress.get("stage", "…")))
        if not total:
            return line
        share = min(1.0, done / total)
        return f'{line}<progress max="1" value="{share:.3f}" aria-label="{html.escape(model.name)}"></progress>'

    async def _choices(self) -> Any:
        choices = list(await asyncio.to_thread(lambda: list(self._entries())))
        return gr.update(choices=choices)  # The value stays: somebody may have typed a name while this was looked up.

    def _entries(self) -> Iterator[tuple[str, str]]:
        for entry in catalog.entries():
            if entry.endpoint:
                continue  # its weights are elsewhere, so that there is nothing to fetch
            there = self._room.words("machine.here" if store.is_present(entry) else "machine.not_here")
            yield f"{entry.name} · {entry.task} · {size(entry.size_bytes)} · {there}", entry.name

    async def _fetch(self, name: str | None, request: gr.Request) -> str:
        try:
            self._room.require_administrator(request, self._room.words("machine.fetch_title"))
            if not name:
                raise InputError(self._room.words("machine.none_chosen"))
            await self._room.fetched.start(name.strip())
        except SensoriumError as error:
            return JobPanel.said(str(error), "alert")
        return ""

    async def _stop(self, name: str | None, request: gr.Request) -> str:
        try:
            self._room.require_administrator(request, self._room.words("machine.fetch_title"))
            if not name:
                raise InputError(self._room.words("machine.none_chosen"))
        except SensoriumError as error:
            return JobPanel.said(str(error), "alert")
        await self._room.fetched.stop(name.strip())
        return ""
