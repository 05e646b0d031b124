"""The player of speech on the page, which plays while the voice is still speaking."""

from __future__ import annotations

import html
import importlib.resources

import gradio as gr

from sensorium.engine.job import Job
from sensorium.studio.sound_stream import sound_address
from sensorium.studio.wording import Wording


def speech_player(words: Wording, elem_id: str) -> gr.HTML:
    """Return the player, not yet rendered. `speech_to_play` makes its value.

    Args:
        words: The page's.
        elem_id: Its name on the page.
    """
    empty, player, save = (html.escape(words(f"speak.{name}")) for name in ("empty", "player", "save"))
    return gr.HTML(
        None,
        html_template=(
            f'<div class="speech"><p class="speech-empty">{empty}</p>'
            f'<audio controls preload="metadata" aria-label="{player}" hidden></audio><a hidden>{save}</a></div>'
        ),
        js_on_load=importlib.resources.files(__package__).joinpath("speech_player.js").read_text("utf-8"),
        elem_id=elem_id,
        apply_default_css=False,
        render=False,
    )


def speech_to_play(job: Job, file: str) -> dict[str, str]:
    """Return what the player plays.

    Args:
        job: Speaks.
        file: The address of its file; "" before that is there.
    """
    goes_on = job.arguments.get("stream") and job.state in ("queued", "running", "done")
    name = job.artifacts[0].name if job.artifacts else ""
    return {"stream": sound_address(job.id) if goes_on else "", "file": file, "name": name}
