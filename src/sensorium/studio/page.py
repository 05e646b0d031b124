"""The page in one language: its head and its tabs."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

import gradio as gr

from sensorium.studio.address import PAGE
from sensorium.studio.tabs import hear, see, speak
from sensorium.studio.tabs.machine import tab as machine
from sensorium.studio.tabs.painting import tab as paint
from sensorium.studio.tabs.watching import tab as watch
from sensorium.studio.wording import LANGUAGES
from sensorium.studio.workroom import Workroom

TABS: Mapping[str, Callable[[Workroom, gr.Blocks], None]] = {
    "see": see.build,
    "paint": paint.build,
    "hear": hear.build,
    "speak": speak.build,
    "watch": watch.build,
    "machine": machine.build,
}
"""The tabs in their order; each puts itself on the page."""


def build_page(room: Workroom) -> gr.Blocks:
    """Return the page.

    Args:
        room: What its tabs work with, in the language of the page.
    """
    words = room.words
    page = gr.Blocks(title=words("page.title"), analytics_enabled=False, delete_cache=(3600, 24 * 3600))
    with page:
        gr.HTML(_masthead(room), elem_classes="masthead")
        with gr.Tabs():
            for name, build in TABS.items():
                with gr.Tab(words(f"page.{name}"), id=name, elem_id=f"tab-{name}"):
                    build(room, page)
    return page


def _masthead(room: Workroom) -> str:
    words = room.words
    links = " · ".join(
        f'<a href="{PAGE}/{code}/" hreflang="{code}" lang="{code}">{name}</a>'
        for code, name in LANGUAGES.items()
        if code != words.language
    )
    return (
        f"<header><h1>{html.escape(words('page.title'))}</h1><p>{html.escape(words('page.subtitle'))}</p>"
        f'<nav aria-label="{html.escape(words("page.language"))}">{links}</nav></header>'
    )
