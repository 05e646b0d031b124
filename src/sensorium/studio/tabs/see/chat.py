"""See, chat: a conversation about pictures, which goes on from any earlier question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from sensorium.errors import InputError, NotFoundError
from sensorium.operations.chat import Chat
from sensorium.studio.job_panel import PRIVATE, Event, JobPanel
from sensorium.studio.recipes import recipe_box
from sensorium.studio.tabs.see.branches import branches
from sensorium.studio.tabs.see.cards import name_of
from sensorium.studio.tabs.see.conversation import Said, answer_of, as_json, as_markdown, asked_in, whole
from sensorium.studio.tabs.see.talk import CHOOSE, talk_of
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.workroom import Workroom

_QUIET: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the part on the page."""
    words = room.words
    earlier = gr.Dropdown([], label=words("see.branches"), elem_id="see-branches")
    talk = gr.HTML(talk_of([], {}, words), elem_id="see-chat", js_on_load=CHOOSE)
    markdown = _download(words("see.as_markdown"), "see-chat-markdown")
    document = _download(words("see.as_json"), "see-chat-json")

    async def show(watched: WatchedJob, request: gr.Request) -> list[Any]:
        said, answer = asked_in(watched.job.arguments), answer_of(watched)
        paths = await _pictures(room, said, request)
        told = [*said, Said("assistant", answer)] if answer else said
        shown = talk_of(told, paths, words, writing=not watched.ended and not answer)
        if not watched.ended:
            return [shown, gr.skip(), gr.skip(), gr.skip()]
        names = {picture: name_of(path) for picture, path in paths.items()}
        to_keep = whole(watched)
        model = (watched.job.result or {}).get("model", watched.job.model)
        files = (
            room.shown(as_markdown(to_keep, names, words).encode(), "conversation.md"),
            room.shown(as_json(to_keep, names, model).encode(), "conversation.json"),
        )
        known = await branches(room, request)
        chosen = watched.job.id if watched.job.id in {job for _, job in known} else None
        saving = [gr.update(value=file, interactive=bool(to_keep)) for file in files]
        return [shown, gr.update(choices=known, value=chosen), *saving]

    panel = JobPanel(room, "see-chat", ("chat",), [talk, earlier, markdown, document], show)
    number = gr.State(0)
    with gr.Group(visible=False) as changing:
        changed = gr.Textbox(label=words("see.changed"), lines=2, elem_id="see-changed")
        with gr.Row():
            instead = gr.Button(words("see.instead"), variant="primary", elem_id="see-instead", min_width=140)
            leave = gr.Button(words("see.leave"), elem_id="see-leave", min_width=140)
    question = gr.MultimodalTextbox(
        label=words("see.say"),
        placeholder=words("see.say_hint"),
        file_types=["image"],
        file_count="multiple",
        sources=["upload"],
        elem_id="see-say",
    )
    with gr.Row():
        example = gr.Button(words("see.example"), elem_id="see-chat-example", min_width=140)
        new = gr.Button(words("see.new_chat"), elem_id="see-chat-new", min_width=140)
        markdown.render()
        document.render()
    recipe_box(room, panel)

    async def ask(request: gr.Request, job: str, asked: Mapping[str, Any] | None) -> Chat:
        text, files = (asked or {}).get("text") or "", (asked or {}).get("files") or []
        if not text.strip() and not files:
            raise InputError(words("see.nothing_said"), words("see.nothing_said_remedy"))
        before = await _before(room, job, request)
        pictures = [str(await room.hand_over(file, request)) for file in files]
        return _chat([*before, Said("user", text, tuple(pictures))])

    async def ask_instead(request: gr.Request, job: str, number: int, text: str) -> Chat:
        said = asked_in((await room.look(job, request)).job.arguments)
        return _chat([*said[:number], Said("user", text, said[number].pictures)])

    async def choose(chosen: gr.EventData, request: gr.Request, job: str) -> tuple[int, str, Any]:
        number = int(chosen.turn)
        said = asked_in((await room.look(job, request)).job.arguments)
        return number, said[number].text, gr.update(visible=True)

    async def clear_if_sent(request: gr.Request, job: str, asked: Mapping[str, Any] | None) -> Any:
        # What was refused stays there, to be changed.
        if not job:
            return gr.skip()
        said = asked_in((await room.look(job, request)).job.arguments)
        return {"text": "", "files": []} if said[-1].text == (asked or {}).get("text") else gr.skip()

    async def fill() -> tuple[str, str, dict[str, Any]]:
        (picture,) = await room.examples.photos("flower.jpg")
        return "", talk_of([], {}, words), {"text": words("see.example_say"), "files": [str(picture)]}

    def begin_anew() -> tuple[str, str, None, Any]:
        return "", talk_of([], {}, words), None, gr.update(visible=False)

    filled = example.click(fill, None, [panel.job, talk, question], **_QUIET)
    for asked in (question.submit, filled.then):
        (sent,) = panel.starts_with(Event(asked, [panel.job, question], ask))
        sent.then(clear_if_sent, [panel.job, question], [question], **_QUIET)
    talk.click(choose, [panel.job], [number, changed, changing], **_QUIET)
    for event in panel.starts_with(
        *(Event(asked, [panel.job, number, changed], ask_instead) for asked in (instead.click, changed.submit))
    ):
        event.then(lambda: gr.update(visible=False), None, [changing], **_QUIET)
    leave.click(lambda: gr.update(visible=False), None, [changing], **_QUIET)
    panel.opens(earlier.input, earlier)
    new.click(begin_anew, None, [panel.job, talk, earlier, changing], **_QUIET)
    panel.resumes_with(page)


def _download(label: str, name: str) -> Any:
    return gr.DownloadButton(label, elem_id=name, min_width=140, interactive=False, render=False)


def _chat(said: Sequence[Said]) -> Chat:
    return Chat.of({"messages": [each.message() for each in said]})


async def _before(room: Workroom, job: str, request: gr.Request) -> list[Said]:
    """Return the conversation that goes on."""
    if not job:
        return []
    watched = await room.look(job, request)
    if not watched.ended:
        raise InputError(room.words("see.still_answering"), room.words("see.still_answering_remedy"))
    return whole(watched)


async def _pictures(room: Workroom, said: Sequence[Said], request: gr.Request) -> dict[str, str]:
    """Return where the pictures of a conversation lie that are still there."""
    found = {}
    for picture in {picture for each in said for picture in each.pictures}:
        try:
            found[picture] = await room.media_of(picture, request)
        except NotFoundError:
            continue
    return found
