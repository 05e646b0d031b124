"""See, read: what is written in pictures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from sensorium.operations.reading import Read
from sensorium.studio.job_group import JobGroup
from sensorium.studio.job_panel import PRIVATE, Event
from sensorium.studio.recipes import recipe_box
from sensorium.studio.tabs.see.cards import about_picture, cards, empty
from sensorium.studio.tabs.see.dropped_pictures import dropped_pictures, handed_over
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.wording import Wording
from sensorium.studio.workroom import Workroom


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the part on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            pictures = dropped_pictures(words("see.pictures"), "see-read-pictures")
            with gr.Row():
                go = gr.Button(words("see.read_go"), variant="primary", elem_id="see-read-go", min_width=120)
                example = gr.Button(words("see.example"), elem_id="see-read-example", min_width=120)
        with gr.Column(scale=3, min_width=300):
            texts: Any = gr.HTML(empty(words("see.read_empty")), elem_id="see-read-results", render=False)

            async def show(watched: Sequence[WatchedJob], request: gr.Request) -> list[Any]:
                shown = [await about_picture(room, each, request, _text(each.job.result, words)) for each in watched]
                return [cards(shown, words("see.texts"))]

            panel = JobGroup(room, "see-read", ("read",), [texts], show)
            texts.render()
            recipe_box(room, panel)

    async def make(request: gr.Request, files: Sequence[Any] | None) -> list[Read]:
        return [Read(image=image) for image in await handed_over(room, files, request)]

    async def fill() -> list[Path]:
        return [await room.examples.receipt()]

    panel.starts_with(Event(go.click, [pictures], make))
    filled = example.click(fill, None, [pictures], show_progress="hidden", **PRIVATE)
    panel.starts_with(Event(filled.then, [pictures], make))
    panel.resumes_with(page)


def _text(result: Mapping[str, Any] | None, words: Wording) -> str:
    if result is None:
        return ""
    if not result["text"]:
        return f"<p class=quiet>{html.escape(words('see.nothing_written'))}</p>"
    return f'<p class="answer read">{html.escape(result["text"])}</p>'
