"""The tab: a film on the left; what can be asked of it, and the answers with their moments, on the right."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from sensorium.errors import InputError, NotFoundError
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.reading import ReadFilm
from sensorium.operations.speech_to_text import Subtitle
from sensorium.operations.video import AskFilm, DescribeFilm, FindMoment, Moderate
from sensorium.studio.job_panel import PRIVATE, Event, JobPanel
from sensorium.studio.tabs.watching.timeline import drawn, moments_of
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.workroom import Workroom
from sensorium.video.moderation_policy import shipped_policy

_WATCHING = ("ask-film", "describe-film", "find-moment", "read-film", "moderate", "subtitle")
_PLAYER = "watch-film"
_FILMS = ("film", "source", "audio")
"""What operations call the film."""
_HIDDEN: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the tab on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            film = gr.Video(label=words("watch.film"), sources=["upload"], height=320, elem_id=_PLAYER)
            example = gr.Button(words("watch.example"), elem_id="watch-example")
        with gr.Column(scale=6, min_width=320):
            question = gr.Textbox(
                label=words("watch.question"), placeholder=words("watch.question_hint"), elem_id="watch-question"
            )
            with gr.Row():
                ask = gr.Button(words("watch.ask"), variant="primary", elem_id="watch-ask")
                find = gr.Button(words("watch.find"), elem_id="watch-find")
            with gr.Row():
                describe = gr.Button(words("watch.describe"), elem_id="watch-describe")
                read = gr.Button(words("watch.read"), elem_id="watch-read")
                subtitle = gr.Button(words("watch.subtitle"), elem_id="watch-subtitle")
            moderate, thresholds = _build_moderation(room)
            answer = gr.HTML(f'<p class="hint">{html.escape(words("watch.empty"))}</p>', elem_id="watch-answer")
            panel = JobPanel(room, "watch", _WATCHING, [answer, film], _show(room))

    async def handed(path: str | None, request: gr.Request) -> Media:
        if not path:
            raise InputError(words("watch.no_film"))
        return await room.hand_over(path, request)

    def about(make: Callable[[Media, str], Operation]) -> Callable[..., Awaitable[Operation]]:
        async def begin(request: gr.Request, path: str | None, text: str) -> Operation:
            return make(await handed(path, request), text)

        return begin

    async def look_for(request: gr.Request, path: str | None, *chosen: float) -> Operation:
        return Moderate(source=await handed(path, request), policy=_policy(chosen))

    fields = [film, question]
    panel.starts_with(
        Event(ask.click, fields, about(lambda media, text: AskFilm(film=media, question=text))),
        Event(question.submit, fields, about(lambda media, text: AskFilm(film=media, question=text))),
        Event(find.click, fields, about(lambda media, text: FindMoment(film=media, text=text))),
        Event(describe.click, fields, about(lambda media, text: DescribeFilm(film=media))),
        Event(read.click, fields, about(lambda media, text: ReadFilm(film=media))),
        Event(subtitle.click, fields, about(lambda media, text: Subtitle(audio=media, format="vtt"))),
        Event(moderate.click, [film, *thresholds], look_for),
    )
    _build_example(room, example, film, panel)
    panel.resumes_with(page)

    async def reopened(request: gr.Request, job: str) -> Any:
        """Return the film that the job on the page is about: its moments are played from it."""
        latest = None if job else await room.latest(_WATCHING, request)
        try:
            known = (await room.look(job or (latest.id if latest else ""), request)).job
            named = next(known.arguments[name] for name in _FILMS if name in known.arguments)
            return await room.media_of(str(named), request)
        except (NotFoundError, StopIteration):
            return gr.skip()

    page.load(reopened, [panel.job], film, **_HIDDEN)


def _build_example(room: Workroom, button: gr.Button, film: gr.Video, panel: JobPanel) -> None:
    """Let a button put the example's film into the player, and ask about it."""

    async def put() -> str:
        return str(await room.examples.film())

    async def make(request: gr.Request) -> Operation:
        return DescribeFilm(film=await room.hand_over(await room.examples.film(), request))

    button.click(put, None, film, **_HIDDEN)
    panel.starts_with(Event(button.click, [], make))


def _build_moderation(room: Workroom) -> tuple[gr.Button, list[gr.Slider]]:
    with gr.Accordion(room.words("watch.moderation"), open=False):
        gr.HTML(f'<p class="hint">{html.escape(room.words("watch.moderation_hint"))}</p>')
        sliders = [
            gr.Slider(0.05, 1, label["threshold"], step=0.05, label=label["name"], elem_id=f"watch-threshold-{number}")
            for number, label in enumerate(shipped_policy()["labels"])
        ]
        button = gr.Button(room.words("watch.moderate"), elem_id="watch-moderate")
    return button, sliders


def _policy(thresholds: tuple[float, ...]) -> dict[str, Any]:
    """Return the shipped policy with other thresholds."""
    policy = shipped_policy()
    labels = [{**label, "threshold": threshold} for label, threshold in zip(policy["labels"], thresholds, strict=True)]
    return {**policy, "labels": labels}


def _show(room: Workroom) -> Any:
    async def show(watched: WatchedJob, request: gr.Request) -> list[Any]:
        job = watched.job
        if job.state != "done" or job.result is None:
            if job.operation == "subtitle" and watched.parts:
                return [_lines(watched.parts), gr.skip()]
            return ["", gr.skip()]
        moments = drawn(moments_of(job.operation, job.result), _PLAYER, room.words)
        player: Any = gr.skip()
        if job.operation == "subtitle":
            player = gr.update(subtitles=await room.file_of(job.id, job.artifacts[0].name, request))
        return [_told(job.operation, job.result, room) + moments, player]

    return show


def _told(operation: str, result: Mapping[str, Any], room: Workroom) -> str:
    words = room.words
    text = result.get("text", "") if operation in ("ask-film", "describe-film") else ""
    if operation == "moderate":
        text = words("watch.flagged_film" if result["flagged"] else "watch.clean_film", frames=result["frames"])
        if result["not_judged"]:
            text += " " + words("watch.not_judged", labels=", ".join(result["not_judged"]))
    if operation == "subtitle":
        text = words("watch.subtitled")
    if operation == "read-film" and not result["lines"]:
        text = words("watch.nothing_written", frames=result["frames"])
    told = "".join(f"<p>{html.escape(line)}</p>" for line in str(text).splitlines() if line.strip())
    confidence = result.get("confidence")
    sure = "" if confidence is None else f'<p class="hint">{words("watch.sure", share=f"{confidence:.0%}")}</p>'
    warned = "".join(f'<p role="status">{html.escape(each)}.</p>' for each in result.get("warnings", ()))
    return f'<div class="answer">{told}{sure}{warned}</div>'


def _lines(parts: list[Mapping[str, Any]]) -> str:
    return "".join(f"<p>{html.escape(each['text'])}</p>" for each in parts)
