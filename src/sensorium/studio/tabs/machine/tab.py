"""The tab: each part draws itself anew when what it shows has changed."""

from __future__ import annotations

import hashlib
from typing import Any

import gradio as gr
from gradio.context import Context

from sensorium.studio.job_panel import PRIVATE
from sensorium.studio.tabs.machine.fetching import Fetching
from sensorium.studio.tabs.machine.finished import Finished
from sensorium.studio.tabs.machine.models import LoadedModels
from sensorium.studio.tabs.machine.queue import Queue
from sensorium.studio.workroom import Workroom

_SECONDS = 1.5
_HIDDEN: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the tab on the page."""
    tabs = Context.block
    while not isinstance(tabs, gr.Tabs):
        assert tabs is not None
        tabs = tabs.parent
    with gr.Row():
        with gr.Column(min_width=320):
            models = LoadedModels(room)
            fetching = Fetching(room, page)
        with gr.Column(min_width=320):
            queue = Queue(room)
    finished = Finished(room, tabs)
    seen = gr.State("")
    outputs = [seen, *models.outputs, fetching.shown, *queue.outputs, *finished.outputs]

    async def look(request: gr.Request, before: str) -> list[Any]:
        waiting, done = await queue.jobs(request), await finished.jobs(request)
        paused, loaded = (await room.engine.health()).paused, await room.engine.models()
        jobs = [(each.id, each.state, each.position, each.progress) for each in (*waiting, *done)]
        now = hashlib.sha256(repr((models.seen(loaded), fetching.seen(), jobs, paused)).encode()).hexdigest()
        if now == before:
            return [gr.skip() for _ in outputs]
        return [now, *models.drawn(loaded), fetching.drawn(), *queue.drawn(waiting, paused), *finished.drawn(done)]

    gr.Timer(_SECONDS).tick(look, [seen], outputs, **_HIDDEN)
    page.load(look, [seen], outputs, **_HIDDEN)
