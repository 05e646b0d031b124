"""Pipelines beside those of diffusers' AutoPipelines: those that paint, and why others don't, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sensorium.image_generation.painting import IMAGE_TO_IMAGE, INPAINTING

FURTHER: Mapping[str, str] = {
    "StableDiffusionInstructPix2PixPipeline": IMAGE_TO_IMAGE,
    "StableDiffusionXLInstructPix2PixPipeline": IMAGE_TO_IMAGE,
    "FluxFillPipeline": INPAINTING,
}
"""Pipelines that paint in one way, and AutoPipelines don't know."""

_HALVES = "it is one half of two repositories, a prior and a decoder, that aren't put together here"
_OTHERS = "Choose a checkpoint of Stable Diffusion, XL, 3, FLUX or PixArt"
_REASONS = (
    (
        "(Kandinsky(Img2Img|Inpaint)?|KandinskyPrior|Kandinsky.*Combined)Pipeline",
        _HALVES,
        "Use Kandinsky 2.2: 'kandinsky-2-2'",
    ),
    ("KandinskyV22.*Pipeline", "Kandinsky 2.2 opens by its decoder for words", "Name that: 'kandinsky-2-2'"),
    ("(Wuerstchen|StableCascade).*Pipeline", _HALVES, _OTHERS),
    (
        "(Flux|CogView4)Control.*Pipeline",
        "it paints after a map of depth or edges that it takes in place of words alone, which isn't offered here",
        "Use a ControlNet: 'sensorium control'",
    ),
    ("Helios.*Pipeline", "it makes films", _OTHERS),
)
"""From patterns of names to what such a pipeline is, and what helps."""


def without_use(class_name: str) -> tuple[str, str]:
    """Return why pipelines of a class don't paint here, and what helps."""
    for pattern, reason, remedy in _REASONS:
        if re.fullmatch(pattern, class_name):
            return reason, remedy
    return "diffusers' AutoPipelines know no pipeline of it that paints", _OTHERS
