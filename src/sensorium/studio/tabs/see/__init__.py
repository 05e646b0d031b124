"""See: what is in pictures, where to find them, and talking about them."""

from __future__ import annotations

import gradio as gr

from sensorium.studio.tabs.see import ask, chat, classify, read, search
from sensorium.studio.workroom import Workroom

_PARTS = (
    ("classify", classify.build),
    ("search", search.build),
    ("ask", ask.build),
    ("read", read.build),
    ("chat", chat.build),
)


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the tab on the page."""
    with gr.Tabs(elem_id="see-parts"):
        for name, build_part in _PARTS:
            with gr.Tab(room.words(f"see.{name}"), id=f"see-{name}", elem_id=f"tab-see-{name}"):
                build_part(room, page)
