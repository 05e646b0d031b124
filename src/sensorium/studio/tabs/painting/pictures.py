"""The pictures of a job as the page shows them: the files, and what is said of each."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.workroom import Workroom

_SHOWN = ("seed", "steps", "guidance_scale", "scheduler", "strength", "model", "negative_prompt")


async def pictures_of(room: Workroom, watched: WatchedJob, request: gr.Request) -> list[tuple[str, str]]:
    """Return the pictures of a job, maps last, each with a line; while nothing is finished, the latest preview."""
    documents = _documents(watched)
    found = [
        (await room.file_of(watched.job.id, each["artifact"]["name"], request), line_of(each["settings"]))
        for each in documents
    ]
    if not watched.ended and watched.preview:
        found.append((room.shown(watched.preview, "preview.jpg"), room.words("paint.preview")))
    for drawn in (watched.job.result or {}).get("maps", ()):
        name = room.words("paint.map", kind=drawn["control"])
        found.append((await room.file_of(watched.job.id, drawn["artifact"]["name"], request), name))
    return found


def settings_of(watched: WatchedJob) -> list[Mapping[str, Any]]:
    """Return the settings of a job's pictures, in their order."""
    return [each["settings"] for each in _documents(watched)]


def _documents(watched: WatchedJob) -> list[Mapping[str, Any]]:
    result = watched.job.result or {}
    pictures = result.get("pictures") or ([result["picture"]] if "picture" in result else watched.parts)
    return list(pictures)


def line_of(settings: Mapping[str, Any]) -> str:
    """Return what is said below a picture."""
    flagged = " ⚠" if settings.get("safety") == "flagged" else ""
    return f"{settings['width']}×{settings['height']} · {settings['seed']}{flagged}"


def table_of(settings: Mapping[str, Any], room: Workroom) -> str:
    """Return all settings of a picture as a table."""
    rows = "".join(
        f"<tr><th scope='row'>{html.escape(room.words(f'paint.setting_{name}'))}</th>"
        f"<td>{html.escape(str(settings[name]))}</td></tr>"
        for name in _SHOWN
        if settings.get(name) not in (None, "")
    )
    prompt = html.escape(str(settings["prompt"]))
    return f"<div class='settings'><p>{prompt}</p><table>{rows}</table></div>"
