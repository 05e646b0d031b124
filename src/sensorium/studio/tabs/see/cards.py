"""Pictures, moments of films and recordings with words below them, as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import quote

import gradio as gr

from sensorium.errors import SensoriumError
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.wording import Wording
from sensorium.studio.workroom import Workroom


def address(path: str) -> str:
    """Return where the page finds a file that it may show."""
    return f"gradio_api/file={quote(path)}"


def name_of(path: str) -> str:
    """Return how a file is called."""
    return PurePath(path).name


def picture(path: str) -> str:
    """Return a picture; its name is what it is called by who can't see it."""
    return f'<img src="{html.escape(address(path))}" alt="{html.escape(name_of(path))}" loading="lazy">'


def moment(path: str, seconds: float) -> str:
    """Return a film that shows a moment, and plays from there."""
    return (
        f'<video src="{html.escape(address(path))}#t={seconds:.2f}" aria-label="{html.escape(name_of(path))}"'
        ' controls preload="metadata" playsinline></video>'
    )


def sound(path: str, seconds: float) -> str:
    """Return a recording that plays from a moment."""
    return (
        f'<audio src="{html.escape(address(path))}#t={seconds:.2f}" aria-label="{html.escape(name_of(path))}"'
        ' controls preload="metadata"></audio>'
    )


def card(shown: str, title: str, below: str) -> str:
    """Return something that is shown, with its title and HTML below."""
    return f"<li class=card>{shown}<div><h3>{html.escape(title)}</h3>{below}</div></li>"


def cards(each: Iterable[str], name: str) -> str:
    """Return cards beside each other.

    Args:
        each: The cards.
        name: What they are together.
    """
    return f'<ul class=cards aria-label="{html.escape(name)}">{"".join(each)}</ul>'


def empty(text: str) -> str:
    """Return what stands where nothing is yet."""
    return f"<p class=teaching>{html.escape(text)}</p>"


async def about_picture(room: Workroom, watched: WatchedJob, request: gr.Request, below: str) -> str:
    """Return the card of a job about one picture; if it failed, with the reason.

    Args:
        room: Finds the picture.
        watched: The job, whose field ``image`` is the picture.
        request: Who asks.
        below: What is said of the picture, as HTML.
    """
    try:
        path = await room.media_of(watched.job.arguments["image"], request)
    except SensoriumError as error:  # deleted by age; what was said of it is still there
        return card("", str(error), below or _standing(watched, room.words))
    return card(picture(path), name_of(path), below or _standing(watched, room.words))


def _standing(watched: WatchedJob, words: Wording) -> str:
    error = watched.job.error
    if error:
        text = " ".join(f"{error[name]}." for name in ("message", "remedy") if error.get(name))
        return f'<p class="alert">{html.escape(text)}</p>'
    state = words(f"job.{watched.job.state}", before=watched.job.position or 0)
    return f"<p class=quiet>{html.escape(state)}</p>"
