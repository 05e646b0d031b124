"""What the call of a diffusers pipeline tells of it: which kinds of painting it does, and how it takes pictures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from sensorium.image_generation.painting import IMAGE_TO_IMAGE, INPAINTING, TEXT_TO_IMAGE

_USUAL = ("prompt", "num_inference_steps", "generator")
_OF_PICTURES = ("num_images_per_prompt", "images")
"""Where films and sounds have ``num_frames`` or ``num_waveforms_per_prompt``."""
_OF_OTHERS = (
    *("num_frames", "video_length", "control_video"),
    *("control_image", "controlnet_conditioning_scale", "adapter_conditioning_scale"),
)
_NEEDS_PICTURE = re.compile("Img2Img|I2I|Edit|Pix2Pix|Refiner")
"""In diffusers' names of those that can't do without a picture, although their call has a default for it."""
_PICTURES = ("image", "images")

AS_WRITTEN: Mapping[str, bool] = {"use_pe": False, "enable_prompt_rewrite": False}
"""Arguments that keep a pipeline from rewriting the prompt: its words would be drawn by lot, whatever the seed."""
UNUSED_COMPONENTS = ("pe", "pe_tokenizer")
"""What only rewrites prompts: ERNIE-Image's is a language model of 3 billion parameters."""

_SEVERAL_PICTURES = frozenset(
    f"{name}Pipeline"
    for name in (
        "Flux2",
        "Flux2Klein",
        "Flux2KleinKV",
        "GlmImage",
        "JoyImageEditPlus",
        "QwenImage21",
        "QwenImageEditPlus",
        "ZImageOmni",
    )
)


def call_parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a pipeline's call.

    Args:
        pipeline: The pipeline, or its class.
    """
    of = pipeline if isinstance(pipeline, type) else type(pipeline)
    return inspect.signature(of.__call__).parameters


def kinds_by_call(pipeline_class: Any) -> tuple[str, ...]:
    """Return the kinds of painting that a pipeline does with the usual arguments; none for anything else."""
    parameters = call_parameters(pipeline_class)
    usual = all(name in parameters for name in _USUAL) and any(name in parameters for name in _OF_PICTURES)
    if not usual or any(name in parameters for name in _OF_OTHERS) or not _known(parameters):
        return ()
    picture = picture_parameter(parameters)
    if "mask_image" in parameters:
        return (INPAINTING,) if picture else ()
    if not picture:
        return (TEXT_TO_IMAGE,)
    needed = parameters[picture].default is inspect.Parameter.empty or _NEEDS_PICTURE.search(pipeline_class.__name__)
    return (IMAGE_TO_IMAGE,) if needed else (TEXT_TO_IMAGE, IMAGE_TO_IMAGE)


def _known(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Return whether a call needs nothing that isn't asked for here."""
    given = ("self", "prompt", "mask_image", *_PICTURES)
    return all(
        name in given or each.default is not each.empty or each.kind is each.VAR_KEYWORD
        for name, each in parameters.items()
    )


def picture_parameter(parameters: Mapping[str, inspect.Parameter]) -> str:
    """Return how a call names the picture to start from; "" if it takes none."""
    return next((name for name in _PICTURES if name in parameters), "")


def takes_several_pictures(pipeline: Any) -> bool:
    """Return whether a pipeline follows instructions that speak of several pictures."""
    return type(pipeline).__name__ in _SEVERAL_PICTURES
