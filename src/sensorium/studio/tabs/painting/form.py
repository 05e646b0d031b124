"""What is to be painted: the fields of the form, and the operation that they mean."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from sensorium.errors import InputError
from sensorium.image_generation.painting_options import MAXIMUM_IMAGES
from sensorium.image_generation.prompt_engineer import PromptEngineer
from sensorium.models import catalog
from sensorium.operations.control import Control
from sensorium.operations.image_generation import Edit, Imagine
from sensorium.operations.operation import Operation
from sensorium.studio.workroom import Workroom

WORDS, REPAINT, PART, LAYOUT = "words", "repaint", "part", "layout"
"""What a picture can be made from."""
KINDS = ("canny", "openpose", "depth", "normal", "seg")

_SIDES = (64, 128, 256, 384, 512, 640, 768, 896, 1024, 1280, 1536)
_LARGEST_SEED = 2**32 - 1
_MIDDLE = 127


@dataclass(frozen=True)
class Form:
    """The fields, in the order in which `operation_of` takes their values."""

    prompt: gr.Textbox
    style: gr.Radio
    negative: gr.Textbox
    count: gr.Slider
    seed: gr.Textbox
    width: gr.Dropdown
    height: gr.Dropdown
    steps: gr.Number
    guidance: gr.Number
    model: gr.Dropdown
    source: gr.Radio
    picture: gr.Image
    strength: gr.Slider
    marked: gr.ImageEditor
    layout: gr.Image
    kinds: gr.CheckboxGroup
    weight: gr.Slider

    @property
    def fields(self) -> list[Any]:
        """All of them."""
        return list(vars(self).values())

    @property
    def settings(self) -> list[Any]:
        """Those that a picture's settings fill in."""
        words = [self.prompt, self.style, self.negative]
        return [*words, self.seed, self.width, self.height, self.steps, self.guidance, self.model]


def build_form(room: Workroom) -> tuple[Form, gr.Button, gr.Button]:
    """Put the form on the page; return it with the buttons that paint: what it says, and an example."""
    words = room.words
    prompt = gr.Textbox(
        label=words("paint.prompt"), placeholder=words("paint.prompt_hint"), lines=3, elem_id="paint-prompt"
    )
    style = gr.Radio(
        [(words("paint.no_style"), ""), *((name, name) for name in PromptEngineer().style_keywords)],
        value="",
        label=words("paint.style"),
        elem_id="paint-style",
    )
    negative = gr.Textbox(label=words("paint.negative"), elem_id="paint-negative")
    source, from_picture = _build_sources(room)
    with gr.Row():
        count = gr.Slider(1, min(8, MAXIMUM_IMAGES), 1, step=1, label=words("paint.count"), elem_id="paint-count")
        with gr.Column(min_width=180):
            seed = gr.Textbox(label=words("paint.seed"), placeholder=words("paint.seed_hint"), elem_id="paint-seed")
            dice = gr.Button(words("paint.dice"), size="sm", elem_id="paint-dice")
    with gr.Accordion(words("paint.more"), open=False):
        with gr.Row():
            width, height = (
                gr.Dropdown(
                    [(words("paint.automatic"), 0), *((str(side), side) for side in _SIDES)],
                    value=0,
                    allow_custom_value=True,
                    label=words(f"paint.{side}"),
                    elem_id=f"paint-{side}",
                )
                for side in ("width", "height")
            )
        with gr.Row():
            automatic = words("paint.automatic")
            steps = gr.Number(None, label=words("paint.steps"), placeholder=automatic, minimum=0, precision=0)
            guidance = gr.Number(None, label=words("paint.guidance"), placeholder=automatic, minimum=0)
        model = gr.Dropdown(
            [(words("paint.own_model"), ""), *((name, name) for name in _painters())],
            value="",
            allow_custom_value=True,
            label=words("paint.model"),
            elem_id="paint-model",
        )
    with gr.Row():
        go = gr.Button(words("paint.go"), variant="primary", elem_id="paint-go")
        example = gr.Button(words("paint.example"), elem_id="paint-example")
    dice.click(_thrown, None, seed, api_visibility="private", queue=False, show_progress="hidden")
    form = Form(prompt, style, negative, count, seed, width, height, steps, guidance, model, source, **from_picture)
    return form, go, example


def _build_sources(room: Workroom) -> tuple[gr.Radio, dict[str, Any]]:
    words = room.words
    source = gr.Radio(
        [(words(f"paint.from_{name}"), name) for name in (WORDS, REPAINT, PART, LAYOUT)],
        value=WORDS,
        label=words("paint.source"),
        elem_id="paint-source",
    )
    with gr.Group(visible=False) as repaint:
        picture = gr.Image(type="filepath", label=words("paint.picture"), height=260, elem_id="paint-picture")
    with gr.Group(visible=False) as part:
        marked = gr.ImageEditor(
            type="filepath",
            label=words("paint.marked"),
            brush=gr.Brush(default_size=40, colors=["#ffffff"], color_mode="fixed"),
            layers=False,
            transforms=(),
            height=340,
            elem_id="paint-marked",
        )
    with gr.Group(visible=False) as changes:
        strength = gr.Slider(
            0.05, 1, 0.75, step=0.05, label=words("paint.strength"), info=words("paint.strength_hint"),
            elem_id="paint-strength",
        )  # fmt: skip
    with gr.Group(visible=False) as followed:
        layout = gr.Image(type="filepath", label=words("paint.layout"), height=260, elem_id="paint-layout")
        kinds = gr.CheckboxGroup(
            [(words(f"paint.kind_{kind}"), kind) for kind in KINDS],
            value=["canny"],
            label=words("paint.kinds"),
            elem_id="paint-kinds",
        )
        weight = gr.Slider(0, 2, 1, step=0.1, label=words("paint.weight"), elem_id="paint-weight")

    def shown(chosen: str) -> list[Any]:
        return [gr.update(visible=chosen in uses) for uses in ((REPAINT,), (PART,), (REPAINT, PART), (LAYOUT,))]

    source.change(
        shown, source, [repaint, part, changes, followed], api_visibility="private", queue=False, show_progress="hidden"
    )
    return source, {
        "picture": picture, "strength": strength, "marked": marked, "layout": layout, "kinds": kinds, "weight": weight
    }  # fmt: skip


async def operation_of(room: Workroom, request: gr.Request, *values: Any) -> Operation:
    """Return what the form asks for.

    Args:
        room: Takes the pictures.
        request: Whose they are.
        values: Of all fields of the `Form`.

    Raises:
        SensoriumError: It asks for what can't be.
    """
    given = dict(zip(Form.__dataclass_fields__, values, strict=True))
    painting: dict[str, Any] = {
        "prompt": given["prompt"] or "",
        "negative_prompt": given["negative"] or "",
        "num_images": int(given["count"]),
        "seed": _seed(given["seed"], room),
        "width": given["width"] or None,
        "height": given["height"] or None,
        "steps": int(given["steps"]) if given["steps"] else None,
        "guidance_scale": given["guidance"],
        "model": given["model"] or None,
        "previews": True,
    }
    match given["source"]:
        case "repaint":
            image = await _handed(given["picture"], room, request)
            return Edit(**painting, style=given["style"] or None, image=image, strength=given["strength"])
        case "part":
            image, mask = await _marked(given["marked"], room, request)
            return Edit(**painting, style=given["style"] or None, image=image, mask=mask, strength=given["strength"])
        case "layout":
            reference = await _handed(given["layout"], room, request)
            styled = PromptEngineer().build_prompt(painting["prompt"], style=given["style"] or None)
            kinds = tuple(given["kinds"])
            weights = dict.fromkeys(kinds, given["weight"])
            return Control(**{**painting, "prompt": styled}, reference=reference, controls=kinds, weights=weights)
    return Imagine(**painting, style=given["style"] or None)


def filled_in(settings: Mapping[str, Any]) -> list[Any]:
    """Return the values of `Form.settings` that a picture's settings mean; its style is part of its prompt."""
    sides = [settings["width"], settings["height"]]
    values = (settings["prompt"], "", settings["negative_prompt"], str(settings["seed"] or ""))
    return [*values, *sides, settings["steps"], settings["guidance_scale"], settings["model"]]


async def _handed(path: str | None, room: Workroom, request: gr.Request) -> Any:
    if not path:
        raise InputError(room.words("paint.no_picture"))
    return await room.hand_over(path, request)


async def _marked(value: Mapping[str, Any] | None, room: Workroom, request: gr.Request) -> tuple[Any, Any]:
    background = (value or {}).get("background")
    if not background:
        raise InputError(room.words("paint.no_picture"))
    layers = [layer for layer in (value or {}).get("layers") or () if layer]
    if not layers:
        raise InputError(room.words("paint.no_mark"))
    mask = await asyncio.to_thread(_mask_of, layers[0])
    if mask is None:
        raise InputError(room.words("paint.no_mark"))
    return await room.hand_over(background, request), await room.hand_over(mask, request)


def _mask_of(layer: str) -> Path | None:
    """Return a mask that is white where something was drawn on an otherwise transparent picture; None for nothing."""
    import PIL.Image

    path = Path(layer)
    mask = path.with_name(f"mask-{path.stem}.png")
    with PIL.Image.open(path, formats=["PNG", "WEBP"]) as drawn:
        marked = drawn.convert("RGBA").getchannel("A").point(lambda alpha: 255 if alpha > _MIDDLE else 0)
    if marked.getbbox() is None:
        return None
    marked.save(mask)
    return mask


def _seed(text: str | None, room: Workroom) -> int | None:
    if not (text or "").strip():
        return None
    try:
        return int(str(text).strip())
    except ValueError:
        raise InputError(room.words("paint.bad_seed", seed=text)) from None


def _thrown() -> str:
    return str(random.randint(0, _LARGEST_SEED))


def _painters() -> list[str]:
    return [entry.name for entry in catalog.entries("text-to-image")]
