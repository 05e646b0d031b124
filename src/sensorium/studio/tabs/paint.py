"""Paint: pictures from words."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sensorium.operations.image_generation import Imagine
from sensorium.studio.job_panel import Event, JobPanel
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.workroom import Workroom


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the tab on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=2):
            prompt = gr.Textbox(
                label=words("paint.prompt"), placeholder=words("paint.prompt_hint"), lines=3, elem_id="paint-prompt"
            )
            negative = gr.Textbox(label=words("paint.negative"), elem_id="paint-negative")
            with gr.Row():
                count = gr.Slider(1, 8, 1, step=1, label=words("paint.count"))
                steps = gr.Slider(1, 60, 12, step=1, label=words("paint.steps"))
            seed = gr.Textbox(label=words("paint.seed"), placeholder=words("paint.seed_hint"), elem_id="paint-seed")
            with gr.Row():
                go = gr.Button(words("paint.go"), variant="primary", elem_id="paint-go")
                example = gr.Button(words("paint.example"), elem_id="paint-example")
        with gr.Column(scale=3):
            gallery = gr.Gallery(label=words("paint.pictures"), elem_id="paint-gallery", format="png")

            async def show(watched: WatchedJob, request: gr.Request) -> list[Any]:
                files = [
                    await room.file_of(watched.job.id, part["artifact"]["name"], request) for part in watched.parts
                ]
                if not files and watched.preview:
                    files = [room.shown(watched.preview, "preview.jpg")]
                return [files]

            panel = JobPanel(room, "paint", ("imagine",), [gallery], show)

    async def make(request: gr.Request, prompt: str, negative: str, count: int, steps: int, seed: str) -> Imagine:
        return Imagine(
            prompt=prompt,
            negative_prompt=negative,
            num_images=count,
            steps=steps,
            previews=True,
            seed=int(seed) if seed else None,
        )

    fields = [prompt, negative, count, steps, seed]
    panel.starts_with(Event(go.click, fields, make), Event(prompt.submit, fields, make))
    panel.starts_with(
        Event(example.click, [], lambda request: make(request, words("paint.example_prompt"), "", 1, 12, "7"))
    )
    panel.resumes_with(page)
