"""See, ask: what pictures show, in words, and answers to a question about them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from sensorium.operations.vision_language import Ask, Caption
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
            pictures = dropped_pictures(words("see.pictures"), "see-ask-pictures")
            question = gr.Textbox(
                label=words("see.question"), placeholder=words("see.question_hint"), lines=2, elem_id="see-question"
            )
            with gr.Row():
                go = gr.Button(words("see.ask_go"), variant="primary", elem_id="see-ask-go", min_width=120)
                example = gr.Button(words("see.example"), elem_id="see-ask-example", min_width=120)
        with gr.Column(scale=3, min_width=300):
            answers: Any = gr.HTML(empty(words("see.ask_empty")), elem_id="see-ask-results", render=False)

            async def show(watched: Sequence[WatchedJob], request: gr.Request) -> list[Any]:
                shown = [await about_picture(room, each, request, _answer(each, words)) for each in watched]
                return [cards(shown, words("see.answers"))]

            panel = JobGroup(room, "see-ask", ("caption", "ask"), [answers], show)
            answers.render()
            recipe_box(room, panel)

    async def make(request: gr.Request, files: Sequence[Any] | None, question: str) -> list[Ask | Caption]:
        images = await handed_over(room, files, request)
        if not question.strip():
            return [Caption(image=image) for image in images]
        return [Ask(image=image, question=question) for image in images]

    async def fill() -> tuple[list[Path], str]:
        return await room.examples.photos("coffee.png", "astronaut.png"), ""

    fields = [pictures, question]
    panel.starts_with(Event(go.click, fields, make), Event(question.submit, fields, make))
    filled = example.click(fill, None, fields, show_progress="hidden", **PRIVATE)
    panel.starts_with(Event(filled.then, fields, make))
    panel.resumes_with(page)


def _answer(watched: WatchedJob, words: Wording) -> str:
    result = watched.job.result
    if result is None:
        return ""
    asked = watched.job.arguments.get("question")
    question = f"<p class=quiet>{html.escape(asked)}</p>" if asked else ""
    return f"{question}<p class=answer>{html.escape(result['text'])}</p>{_evidence(result, words)}"


def _evidence(result: Mapping[str, Any], words: Wording) -> str:
    """Return what an answer rests on, folded."""
    facts = [
        html.escape(each["text"]) + (f" ({each['confidence']:.0%})" if each.get("confidence") is not None else "")
        for each in result.get("evidence", ())
    ]
    if not facts:
        return ""
    listed = "".join(f"<li>{fact}</li>" for fact in facts)
    return f"<details><summary>{html.escape(words('see.evidence'))}</summary><ul>{listed}</ul></details>"
