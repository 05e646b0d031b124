"""A field for pictures that a visitor drops, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from sensorium.errors import InputError
from sensorium.operations.media import Media
from sensorium.studio.workroom import Workroom


def dropped_pictures(label: str, name: str, *, height: int = 260) -> gr.Gallery:
    """Return a field for any number of pictures, which shows them small.

    Args:
        label: Of the field.
        name: Its id on the page.
        height: In pixels.
    """
    return gr.Gallery(
        label=label,
        elem_id=name,
        file_types=["image"],
        sources=["upload", "clipboard"],
        type="filepath",
        columns=4,
        height=height,
        object_fit="cover",
        allow_preview=False,
        buttons=[],
        interactive=True,
    )


async def handed_over(room: Workroom, files: Sequence[Any] | None, request: gr.Request) -> list[Media]:
    """Return pictures of such a field as operations name them.

    Raises:
        InputError: There is none.
    """
    if not files:
        raise InputError(room.words("see.no_pictures"), room.words("see.pictures_remedy"))
    return [await room.hand_over(path, request) for path, _ in files]
