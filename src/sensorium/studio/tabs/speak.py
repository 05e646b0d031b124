"""Speak: a text read aloud, in a voice of a model or in that of a recording."""

from __future__ import annotations

import asyncio
import html
import secrets
from typing import Any

import gradio as gr

from sensorium.errors import InputError, NotFoundError
from sensorium.media.audio_encoder import SOUND_FORMATS
from sensorium.models import catalog, store
from sensorium.operations.text_to_speech import Clone, Speak
from sensorium.speech.own_voices import own_voices
from sensorium.speech.speed_and_seed import MAX_SPEED, MIN_SPEED
from sensorium.studio.job_panel import PRIVATE, Event, JobPanel
from sensorium.studio.recipes import recipe_box
from sensorium.studio.speech_player import speech_player, speech_to_play
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.wording import Wording
from sensorium.studio.workroom import Workroom

_STREAMED = ("mp3", "opus")
"""Formats that browsers play while they grow."""
_FORMATS = ("mp3", "wav", "flac", "opus", "m4a")


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the tab on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            text = gr.Textbox(
                label=words("speak.text"), placeholder=words("speak.text_hint"), lines=5, elem_id="speak-text"
            )
            with gr.Row():
                voice = gr.Dropdown(
                    [(words("speak.usual_voice"), "")],
                    value="",
                    label=words("speak.voice"),
                    min_width=200,
                    elem_id="speak-voice",
                )
                language = gr.Dropdown(
                    [(words("speak.any_language"), ""), *words.languages()],
                    value="",
                    label=words("speak.language"),
                    min_width=200,
                    elem_id="speak-language",
                )
            with gr.Row():
                speed = gr.Slider(
                    MIN_SPEED,
                    MAX_SPEED,
                    1.0,
                    step=0.05,
                    label=words("speak.speed"),
                    min_width=200,
                    elem_id="speak-speed",
                )
                format = gr.Dropdown(
                    [(name.upper(), name) for name in _FORMATS if name in SOUND_FORMATS],
                    value="mp3",
                    label=words("speak.format"),
                    min_width=200,
                    elem_id="speak-format",
                )
            with gr.Row():
                go = gr.Button(words("speak.go"), variant="primary", elem_id="speak-go")
                example = gr.Button(words("speak.example"), elem_id="speak-example")
        with gr.Column(scale=2, min_width=300):
            player = speech_player(words, "speak-player")
            facts = gr.HTML("", visible=False, elem_id="speak-facts", render=False)
            panel = JobPanel(room, "speak", ("speak", "clone"), [player, facts], _show(room))
            player.render()  # type: ignore[no-untyped-call]
            facts.render()  # type: ignore[no-untyped-call]
            recipe_box(room, panel)
            with gr.Accordion(words("speak.clone"), open=False, elem_id="speak-clone"):
                gr.Markdown(words("speak.clone_hint"))
                reference = gr.Audio(
                    label=words("speak.reference"),
                    sources=["microphone", "upload"],
                    type="filepath",
                    elem_id="speak-reference",
                )
                reference_text = gr.Textbox(
                    label=words("speak.reference_text"),
                    placeholder=words("speak.reference_text_hint"),
                    elem_id="speak-reference-text",
                )
                consent = gr.Textbox(
                    label=words("speak.consent"), placeholder=words("speak.consent_hint"), elem_id="speak-consent"
                )
                clone = gr.Button(words("speak.clone_go"), elem_id="speak-clone-go")

    def spoken(text: str, language: str, speed: float, format: str) -> dict[str, Any]:
        # The seed is fixed here: a job that begins again makes the same pieces of sound again.
        return {
            "text": text,
            "language": language or None,
            "speed": speed,
            "format": format,
            "stream": format in _STREAMED,
            "seed": secrets.randbelow(2**32),
        }

    async def make(request: gr.Request, text: str, language: str, speed: float, format: str, voice: str) -> Speak:
        model, _, name = voice.partition("|")
        return Speak(**spoken(text, language, speed, format), model=model or None, voice=name or None)

    async def make_clone(
        request: gr.Request,
        text: str,
        language: str,
        speed: float,
        format: str,
        reference: str | None,
        reference_text: str,
        consent: str,
    ) -> Clone:
        if not reference:
            raise InputError(words("speak.no_reference"), words("speak.no_reference_remedy"))
        return Clone(
            **spoken(text, language, speed, format),
            reference=await room.hand_over(reference, request),
            reference_text=reference_text.strip() or None,
            consent=consent,
        )

    async def make_example(request: gr.Request) -> Speak:
        return Speak(**spoken(words("speak.example_text"), "en", 1.0, "mp3"))

    fields = [text, language, speed, format]
    panel.starts_with(
        Event(go.click, [*fields, voice], make),
        Event(example.click, [], make_example),
        Event(clone.click, [*fields, reference, reference_text, consent], make_clone),
    )
    example.click(lambda: words("speak.example_text"), None, text, show_progress="hidden", **PRIVATE)
    panel.resumes_with(page)

    async def present_voices() -> Any:
        return gr.update(choices=await asyncio.to_thread(_voices, words))

    page.load(present_voices, None, voice, show_progress="hidden", **PRIVATE)


def _voices(words: Wording) -> list[tuple[str, str]]:
    """Return the voices that can speak at once, each with its model and its name there."""
    usual = [(words("speak.usual_voice"), "")]
    for entry in catalog.entries(Speak.task):
        if store.is_present(entry):
            own = own_voices(entry)
            usual += [(f"{entry.name} · {name}", f"{entry.name}|{name}") for name in own] or [(entry.name, entry.name)]
    return usual


def _show(room: Workroom) -> Any:
    async def show(watched: WatchedJob, request: gr.Request) -> list[Any]:
        job = watched.job
        address = ""
        if job.state == "done" and job.artifacts:
            try:
                address = room.shown_at(await room.file_of(job.id, job.artifacts[0].name, request))
            except NotFoundError:
                address = ""
        facts = _facts(watched, room.words)
        return [speech_to_play(job, address), gr.update(value=facts, visible=bool(facts))]

    return show


def _facts(watched: WatchedJob, words: Wording) -> str:
    job = watched.job
    if not job.result:
        return ""
    told = words("speak.facts", seconds=f"{job.result['duration']:.1f}", seed=job.result["seed"])
    return f"<blockquote>{html.escape(job.arguments['text'])}</blockquote><p class='hint'>{html.escape(told)}</p>"
