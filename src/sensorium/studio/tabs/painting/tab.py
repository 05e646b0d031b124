"""The tab: the form on the left, what is painted on the right, and what was painted before."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from sensorium.engine.job import State
from sensorium.errors import SensoriumError
from sensorium.operations.image_generation import Imagine
from sensorium.operations.operation import Operation
from sensorium.operations.prompts import CountTokens
from sensorium.studio.job_panel import PRIVATE, Event, JobPanel
from sensorium.studio.recipes import recipe_box
from sensorium.studio.tabs.painting.form import Form, build_form, filled_in, operation_of
from sensorium.studio.tabs.painting.pictures import pictures_of, settings_of, table_of
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.workroom import Workroom

_PAINTING = ("imagine", "edit", "control", "paint-again")
_EARLIER = 12
_DONE: tuple[State, ...] = ("done",)
_HIDDEN: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the tab on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            form, go, example = build_form(room)
            tokens = gr.HTML("", elem_id="paint-tokens")
        with gr.Column(scale=6, min_width=320):
            gallery = gr.Gallery(
                label=words("paint.pictures"),
                elem_id="paint-gallery",
                format="png",
                columns=2,
                height=420,
                object_fit="contain",
                preview=False,
                buttons=["download", "fullscreen"],
            )
            settings = gr.State([])
            chosen = gr.State({})
            hint = f"<p class='hint'>{words('paint.empty')}</p>"
            told = gr.HTML(hint, elem_id="paint-settings", render=False)
            panel = JobPanel(room, "paint", _PAINTING, [gallery, settings, chosen, told], _show(room))
            told.render()  # type: ignore[no-untyped-call]
            with gr.Row():
                again = gr.Button(words("paint.again"), size="sm", elem_id="paint-again")
                use = gr.Button(words("paint.use"), size="sm", elem_id="paint-use")
            recipe_box(room, panel)
    _build_earlier(room, page, panel)
    _build_reading(room, form)

    async def make(request: gr.Request, *values: Any) -> Operation:
        return await operation_of(room, request, *values)

    async def make_again(request: gr.Request, *values: Any) -> Operation:
        fields = dict(zip(Form.__dataclass_fields__, values, strict=True))
        return await operation_of(room, request, *{**fields, "seed": ""}.values())

    async def make_example(request: gr.Request) -> Operation:
        return Imagine(prompt=words("paint.example_prompt"), num_images=2, seed=7, previews=True)

    panel.starts_with(
        Event(go.click, form.fields, make),
        Event(form.prompt.submit, form.fields, make),
        Event(again.click, form.fields, make_again),
        Event(example.click, [], make_example),
    )
    panel.resumes_with(page)

    def choose(event: gr.SelectData, all_settings: list[Mapping[str, Any]]) -> tuple[Any, str]:
        if not isinstance(event.index, int) or event.index >= len(all_settings):
            return gr.skip(), ""
        picked = all_settings[event.index]
        return picked, table_of(picked, room)

    gallery.select(choose, settings, [chosen, told], **_HIDDEN)
    use.click(
        lambda picked, every: filled_in(picked or every[0]) if picked or every else [gr.skip() for _ in form.settings],
        [chosen, settings],
        form.settings,
        **_HIDDEN,
    )
    form.prompt.change(_counting(room), [form.prompt, form.model], tokens, trigger_mode="always_last", **_HIDDEN)


def _show(room: Workroom) -> Any:
    async def show(watched: WatchedJob, request: gr.Request) -> list[Any]:
        settings = settings_of(watched)
        if settings and not watched.ended:  # one of the first pictures may be chosen while more are painted
            picked = [gr.skip(), gr.skip()]
        else:
            picked = [{}, table_of(settings[0], room) if settings else ""]
        return [await pictures_of(room, watched, request), settings, *picked]

    return show


def _counting(room: Workroom) -> Any:
    """Return what says how long the prompt is, and what of it would not be read."""

    async def count(request: gr.Request, prompt: str, model: str) -> str:
        if not prompt.strip():
            return ""
        try:
            operation = CountTokens(prompt=prompt, model=model or None)
            job = await room.engine.submit(operation, owner=room.owner(request), durable=False)
            ended = await room.engine.result(job.id)
        except SensoriumError:
            return ""  # whoever paints with it is told
        return _length(ended.result or {}, room)

    return count


def _length(result: Mapping[str, Any], room: Workroom) -> str:
    counts = result.get("counts") or []
    if not counts:
        return ""
    most = max(counts, key=lambda each: float(each["tokens"]))
    text = room.words("paint.tokens", tokens=most["tokens"], window=most["window"])
    lost = room.words("paint.lost", lost=result["lost"]) if result["lost"] else ""
    return f"<p class='hint'>{html.escape(text)}</p>" + (JobPanel.said(lost) if lost else "")


def _build_earlier(room: Workroom, page: gr.Blocks, panel: JobPanel) -> None:
    words = room.words
    with gr.Accordion(words("paint.earlier"), open=False):
        refresh = gr.Button(words("paint.refresh"), size="sm", elem_id="paint-refresh")
        earlier = gr.Gallery(
            label=words("paint.earlier"), columns=6, height=220, object_fit="contain", allow_preview=False,
            elem_id="paint-earlier",
        )  # fmt: skip
        ids, picked = gr.State([]), gr.State("")

    async def load(request: gr.Request) -> tuple[list[tuple[str, str]], list[str]]:
        shown: list[tuple[str, str]] = []
        jobs: list[str] = []
        for job in await room.engine.jobs(owner=room.owner(request), states=_DONE, limit=60):
            if job.operation in _PAINTING and len(jobs) < _EARLIER:
                pictures = await pictures_of(room, await room.look(job.id, request), request)
                if pictures:
                    shown.append(pictures[0])
                    jobs.append(job.id)
        return shown, jobs

    def pick(event: gr.SelectData, jobs: list[str]) -> str:
        return jobs[event.index] if isinstance(event.index, int) else ""

    refresh.click(load, None, [earlier, ids], **_HIDDEN)
    page.load(load, None, [earlier, ids], **_HIDDEN)
    panel.opens(earlier.select(pick, ids, picked, **_HIDDEN).then, picked)


def _build_reading(room: Workroom, form: Form) -> None:
    words = room.words
    with gr.Accordion(words("paint.read"), open=False):
        dropped = gr.File(label=words("paint.read_hint"), file_types=["image"], elem_id="paint-read")
        told = gr.HTML("", elem_id="paint-read-told")

    async def read(file: str | None) -> list[Any]:
        nothing = [gr.skip() for _ in form.settings]
        if file is None:
            return [*nothing, ""]
        from sensorium.image_generation.generated_image import read_settings

        try:
            found = (await asyncio.to_thread(read_settings, file)).to_dict()
        except SensoriumError as error:
            return [*nothing, JobPanel.said(str(error), "alert")]
        return [*filled_in(found), table_of(found, room)]

    dropped.change(read, dropped, [*form.settings, told], **_HIDDEN)
