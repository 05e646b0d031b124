"""The table of subtitles on the page: a player that jumps to them, warnings, and files of what was edited."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from sensorium.media.subtitle_layout import reading_speed
from sensorium.media.subtitles import Cue, format_subtitles
from sensorium.studio.wording import Wording

_WORDS = (
    *("empty", "table", "player", "unplayable", "start", "end", "text", "play", "insert", "remove"),
    *("sum", "sum_fast", "save", "save_as", "undo"),
)


def cue_editor(words: Wording, elem_id: str) -> gr.HTML:
    """Return the table, not yet rendered. `cue_table` makes its value, whose ``"cues"`` a visitor edits.

    Args:
        words: The page's.
        elem_id: Its name on the page.
    """

    def judge(cues: Sequence[Mapping[str, Any]]) -> list[str]:
        return [_warning(cue, words) for cue in _read(cues)]

    def write_file(asked: Sequence[Any]) -> str:
        cues, format = asked
        return format_subtitles(sorted(_read(cues), key=lambda cue: cue.start), format)

    # Not as a property of the component: one that is written to before its tab is opened has lost them.
    told = json.dumps({name: words(f"cues.{name}") for name in _WORDS})
    script = importlib.resources.files(__package__).joinpath("cue_editor.js").read_text("utf-8")
    return gr.HTML(
        None,
        html_template='<div class="cues"></div>',
        js_on_load=f"const words = {told};\n{script}",
        server_functions=[judge, write_file],
        elem_id=elem_id,
        apply_default_css=False,
        render=False,
    )


def cue_table(
    cues: Sequence[Cue], words: Wording, *, job: str, name: str, media: str, film: bool, ended: bool
) -> dict[str, Any]:
    """Return what the table shows.

    Args:
        cues: The subtitles.
        words: The page's.
        job: The id of the job that they come from: the browser keeps what is edited under it.
        name: What files of them are called, without a suffix.
        media: The address of the recording or film; "" for none.
        film: Whether it has pictures.
        ended: Whether no more will come, so that they can be edited.
    """
    documents = [{**cue.to_dict(), "warning": _warning(cue, words) if ended else ""} for cue in cues]
    table = {"job": job, "name": name, "media": media, "film": film, "ended": ended, "cues": documents}
    return {**table, "heard": documents, "edited": False} if ended else table


def table_text(table: Mapping[str, Any] | None) -> str:
    """Return what the subtitles of a table say, one after the other on a line each."""
    return format_subtitles(_read(table["cues"]), "txt").rstrip("\n") if table else ""


def _read(cues: Sequence[Mapping[str, Any]]) -> list[Cue]:
    return [Cue(float(cue["start"]), float(cue["end"]), str(cue["text"])) for cue in cues]


def _warning(cue: Cue, words: Wording) -> str:
    if cue.end <= cue.start:
        return words("cues.backwards")
    speed = reading_speed(cue)
    if round(speed.characters_per_second) <= speed.readable:
        return ""
    return words("cues.fast", speed=round(speed.characters_per_second), readable=round(speed.readable))
