"""See, classify: which of some labels fits each picture best."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from sensorium.errors import InputError
from sensorium.operations.vision_language import Classify
from sensorium.studio.job_group import JobGroup
from sensorium.studio.job_panel import PRIVATE, Event
from sensorium.studio.recipes import recipe_box
from sensorium.studio.tabs.see.cards import about_picture, cards, empty
from sensorium.studio.tabs.see.dropped_pictures import dropped_pictures, handed_over
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.wording import Wording
from sensorium.studio.workroom import Workroom

_BETWEEN_LABELS = re.compile(r"[,;\n，、；]")
_SHOWN = 5


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the part on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            pictures = dropped_pictures(words("see.pictures"), "see-classify-pictures")
            labels = gr.Textbox(
                label=words("see.labels"),
                placeholder=words("see.labels_hint"),
                lines=2,
                elem_id="see-labels",
            )
            with gr.Row():
                go = gr.Button(words("see.classify_go"), variant="primary", elem_id="see-classify-go", min_width=120)
                example = gr.Button(words("see.example"), elem_id="see-classify-example", min_width=120)
        with gr.Column(scale=3, min_width=300):
            found: Any = gr.HTML(empty(words("see.classify_empty")), elem_id="see-classify-results", render=False)

            async def show(watched: Sequence[WatchedJob], request: gr.Request) -> list[Any]:
                shown = [await about_picture(room, each, request, _bars(each.job.result, words)) for each in watched]
                return [cards(shown, words("see.results"))]

            panel = JobGroup(room, "see-classify", ("classify",), [found], show)
            found.render()
            recipe_box(room, panel)

    async def make(request: gr.Request, files: Sequence[Any] | None, labels: str) -> list[Classify]:
        candidates = tuple(label.strip() for label in _BETWEEN_LABELS.split(labels) if label.strip())
        if not candidates:
            raise InputError(words("see.no_labels"), words("see.labels_remedy"))
        return [Classify(image=image, labels=candidates) for image in await handed_over(room, files, request)]

    async def fill() -> tuple[list[Path], str]:
        return await room.examples.photos("cat.png", "coffee.png", "rocket.jpg"), words("see.example_labels")

    fields = [pictures, labels]
    panel.starts_with(Event(go.click, fields, make), Event(labels.submit, fields, make))
    filled = example.click(fill, None, fields, show_progress="hidden", **PRIVATE)
    panel.starts_with(Event(filled.then, fields, make))
    panel.resumes_with(page)


def _bars(result: Mapping[str, Any] | None, words: Wording) -> str:
    """Return labels with bars, best first."""
    if result is None:
        return ""
    rows = "".join(
        f"<li><span>{html.escape(each['label'])}</span><span>{each['score']:.0%}</span>"
        f'<i style="width:{max(0.5, 100 * each["score"]):.1f}%"></i></li>'
        for each in result["labels"][:_SHOWN]
    )
    left_out = len(result["labels"]) - _SHOWN
    more = f"<p class=quiet>{html.escape(words('see.more_labels', count=left_out))}</p>" if left_out > 0 else ""
    unsure = "" if result["sure"] else f"<p class=quiet>{html.escape(words('see.not_sure'))}</p>"
    return f"<ol class=bars>{rows}</ol>{more}{unsure}"
