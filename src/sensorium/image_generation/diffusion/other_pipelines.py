"""Pipelines beside those of diffusers' AutoPipelines: those that paint, and why others don't, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sensorium.image_generation.painting import IMAGE_TO_IMAGE, INPAINTING


@dataclass(frozen=True)
class Combined:
    """What puts a decoder and its prior together.

    Attributes:
        pipeline: Diffusers' pipeline for both.
        prior_pipeline: The prior's own.
        prior: The hub id of the usual prior.
    """

    pipeline: str
    prior_pipeline: str
    prior: str


COMBINED: Mapping[str, Combined] = {
    "StableCascadeDecoderPipeline": Combined(
        "StableCascadeCombinedPipeline", "StableCascadePriorPipeline", "stabilityai/stable-cascade-prior"
    ),
    "WuerstchenDecoderPipeline": Combined(
        "WuerstchenCombinedPipeline", "WuerstchenPriorPipeline", "warp-ai/wuerstchen-prior"
    ),
    "KandinskyPipeline": Combined(
        "KandinskyCombinedPipeline", "KandinskyPriorPipeline", "kandinsky-community/kandinsky-2-1-prior"
    ),
}
"""From the decoders that open together with a prior; Kandinsky 2.2 has a painter of its own."""

FURTHER: Mapping[str, str] = {
    "StableDiffusionInstructPix2PixPipeline": IMAGE_TO_IMAGE,
    "StableDiffusionXLInstructPix2PixPipeline": IMAGE_TO_IMAGE,
    "FluxFillPipeline": INPAINTING,
}
"""Pipelines that paint in one way, and AutoPipelines don't know."""

_HALVES = "such checkpoints open by their decoder, which finds its prior itself"
_OTHERS = "Choose a checkpoint of Stable Diffusion, XL, 3, FLUX or PixArt"
_REASONS = (
    ("KandinskyV22.*Pipeline", _HALVES, "Name that of Kandinsky 2.2: 'kandinsky-2-2'"),
    ("Kandinsky(Img2Img|Inpaint|Prior|.*Combined).*Pipeline", _HALVES, "Name one whose family is 'KandinskyPipeline'"),
    ("Wuerstchen.*Pipeline", _HALVES, "Name one whose family is 'WuerstchenDecoderPipeline'"),
    ("StableCascade.*Pipeline", _HALVES, "Name one whose family is 'StableCascadeDecoderPipeline'"),
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
