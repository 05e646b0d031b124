"""A list on the page of which one is chosen, and which may change at any time while it is open."""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr


def choice(label: str, elem_id: str) -> gr.HTML:
    """Return the list; `offered` makes its value, `chosen_of` reads it.

    Gradio's own dropdown fails in the browser when its list gets shorter after it was opened.

    Args:
        label: What is chosen.
        elem_id: Its name on the page.
    """
    return gr.HTML(
        None,
        html_template=f'<label class="choice"><span>{html.escape(label)}</span><select disabled></select></label>',
        js_on_load=importlib.resources.files(__package__).joinpath("choice.js").read_text("utf-8"),
        elem_id=elem_id,
        apply_default_css=False,
    )


def offered(options: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return what a list offers. What is chosen stays chosen as long as it is offered; otherwise it is the first.

    Args:
        options: For each what is shown, and what is chosen by it.
    """
    return {"options": [list(each) for each in options]}


def chosen_of(value: Mapping[str, Any] | None) -> str | None:
    """Return what is chosen; None if nothing was offered."""
    return (value or {}).get("chosen") or None
