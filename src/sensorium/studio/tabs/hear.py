"""Hear: what is said in a recording or film, as subtitles that can be edited."""

from __future__ import annotations

import asyncio
import html
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from sensorium.errors import InputError, NotFoundError
from sensorium.media.subtitles import Cue
from sensorium.operations.media import Media
from sensorium.operations.speech_to_text import Transcribe, Translate
from sensorium.speech.speech_to_text import Transcription
from sensorium.speech.subtitle_cues import subtitle_cues
from sensorium.studio.cue_editor import cue_editor, cue_table, table_text
from sensorium.studio.job_panel import PRIVATE, Event, JobPanel
from sensorium.studio.recipes import recipe_box
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.wording import Wording
from sensorium.studio.workroom import Workroom

_LIVE = 100
"""How many of the latest segments are shown while more come."""


@dataclass(frozen=True)
class _Source:
    """What a job listens to, as the page shows it.

    Attributes:
        address: Where the page finds it; "" if it is gone, or lies elsewhere.
        name: What its owner calls it, without the suffix.
        film: Whether it has pictures.
    """

    address: str
    name: str
    film: bool


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the tab on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            file = gr.File(label=words("hear.file"), file_types=["audio", "video"], height=132, elem_id="hear-file")
            recording = gr.Audio(
                label=words("hear.recording"), sources=["microphone"], type="filepath", elem_id="hear-recording"
            )
            task = gr.Radio(
                [(words("hear.transcribe"), "transcribe"), (words("hear.translate"), "translate")],
                value="transcribe",
                label=words("hear.task"),
                elem_id="hear-task",
            )
            language = gr.Dropdown(
                [(words("hear.any_language"), ""), *words.languages()],
                value="",
                label=words("hear.language"),
                elem_id="hear-language",
            )
            hotwords = gr.Textbox(
                label=words("hear.hotwords"), placeholder=words("hear.hotwords_hint"), elem_id="hear-hotwords"
            )
            with gr.Row():
                go = gr.Button(words("hear.go"), variant="primary", elem_id="hear-go")
                example = gr.Button(words("hear.example"), elem_id="hear-example")
        with gr.Column(scale=3, min_width=300):
            facts = gr.HTML("", visible=False, elem_id="hear-facts", render=False)
            text = gr.Textbox(
                label=words("hear.text"),
                lines=2,
                max_lines=8,
                interactive=False,
                buttons=["copy"],
                visible=False,
                elem_id="hear-text",
                render=False,
            )
            editor = cue_editor(words, "hear-cues")
            panel = JobPanel(room, "hear", ("transcribe", "translate"), [facts, text, editor], _show(room))
            for each in (facts, text, editor):
                each.render()  # type: ignore[no-untyped-call]
            recipe_box(room, panel)

    async def make(
        request: gr.Request, file: str | None, recording: str | None, task: str, language: str, hotwords: str
    ) -> Transcribe | Translate:
        chosen = file or recording
        if not chosen:
            raise InputError(words("hear.nothing"), words("hear.nothing_remedy"))
        operation = Translate if task == "translate" else Transcribe
        return operation(
            audio=await room.hand_over(chosen, request),
            language=language or None,
            hotwords=hotwords.strip() or None,
            word_timestamps=True,
        )

    async def make_example(request: gr.Request) -> Transcribe:
        speech = await room.examples.speech()
        return Transcribe(audio=await room.hand_over(speech, request), word_timestamps=True)

    panel.starts_with(
        Event(go.click, [file, recording, task, language, hotwords], make), Event(example.click, [], make_example)
    )
    panel.resumes_with(page)
    # There is one recording: the latest.
    file.upload(lambda: None, None, recording, show_progress="hidden", **PRIVATE)
    recording.stop_recording(lambda: None, None, file, show_progress="hidden", **PRIVATE)
    editor.input(table_text, editor, text, show_progress="hidden", **PRIVATE)


def _show(room: Workroom) -> Any:
    async def show(watched: WatchedJob, request: gr.Request) -> list[Any]:
        job, words = watched.job, room.words
        source = await _source(room, job.arguments.get("audio", ""), request)
        heard = Transcription.from_dict(job.result) if job.result else None
        cues = await asyncio.to_thread(subtitle_cues, heard, "srt") if heard else _live(watched)
        table = cue_table(
            cues, words, job=job.id, name=source.name, media=source.address, film=source.film, ended=watched.ended
        )
        text = table_text(table)
        facts = _facts(heard, words)
        return [gr.update(value=facts, visible=bool(facts)), gr.update(value=text, visible=bool(text)), table]

    return show


def _live(watched: WatchedJob) -> list[Cue]:
    parts = watched.parts if watched.ended else watched.parts[-_LIVE:]
    return [Cue(part["start"], part["end"], part["text"]) for part in parts]


async def _source(room: Workroom, reference: str, request: gr.Request) -> _Source:
    media = Media(reference)
    if media.upload is None and media.artifact is None:
        return _Source("", "", False)
    try:
        path = Path(await room.media_of(reference, request))
    except NotFoundError:
        return _Source("", "", False)
    kind = mimetypes.guess_type(path.name)[0] or ""
    return _Source(room.shown_at(path), path.stem, kind.startswith("video/"))


def _facts(heard: Transcription | None, words: Wording) -> str:
    if heard is None:
        return ""
    told = [_in_short(heard, words) if heard.text else words("hear.silence"), *heard.warnings]
    return "".join(f"<p>{html.escape(line)}</p>" for line in told)


def _in_short(heard: Transcription, words: Wording) -> str:
    language = words.language_name(heard.language)
    sure = words("hear.sure", share=round(100 * heard.language_probability)) if heard.language_probability < 1 else ""
    minutes, seconds = divmod(round(heard.duration), 60)
    return f"{language}{sure} · {minutes}:{seconds:02d}"
