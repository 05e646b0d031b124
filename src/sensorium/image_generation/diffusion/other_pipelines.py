"""Pipelines beside those of diffusers' AutoPipelines: those that paint, and why others don't, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


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

FETCHED_APART: Mapping[str, tuple[str, ...]] = {"HiDreamImagePipeline": ("text_encoder_4", "tokenizer_4")}
"""From pipelines to components that they need and that their makers publish elsewhere."""
FETCHED_APART_REMEDY = (
    "Put meta-llama/Llama-3.1-8B-Instruct into its folders text_encoder_4 and tokenizer_4, and name these in its "
    'model_index.json: ["transformers", "LlamaForCausalLM"] and ["transformers", "PreTrainedTokenizerFast"]'
)

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
    ("Kandinsky6SRPipeline", "it makes films larger", _OTHERS),
    ("Kandinsky6.*Pipeline", "it makes films with sound", _OTHERS),
    ("ShapEPipeline", "it makes bodies in three dimensions", _OTHERS),
    ("QwenImageLayeredPipeline", "it takes a picture apart into layers", "Name 'Qwen/Qwen-Image-Edit' to change one"),
    ("IF.*SuperResolutionPipeline|.*UpscalePipeline", "it makes pictures larger", _OTHERS),
    ("Onnx.*Pipeline", "its weights are for ONNX", "Name the same checkpoint in diffusers' layout"),
    (
        "Cosmos.*Pipeline",
        "it only runs with its maker's guard over pictures (the package cosmos_guardrail), which isn't used here",
        _OTHERS,
    ),
    (
        "StableDiffusionDepth2ImgPipeline",
        "it estimates the depth of a picture by itself, which isn't offered here",
        "Use a ControlNet of depth: 'sensorium control'",
    ),
    ("ChromaInpaintPipeline", "diffusers' code for it fails: it looks for a setting that Chroma doesn't have", _OTHERS),
    ("OmniGenPipeline", "its pictures are read with torchvision, which isn't used here", _OTHERS),
    ("StableUnCLIP.*Pipeline", "it paints from the embedding of a picture, which isn't offered here", _OTHERS),
    (".*(ControlNet|Adapter).*Pipeline", "it paints under a control map", "Use its painter with 'sensorium control'"),
)
"""From patterns of names to what such a pipeline is, and what helps."""


def has_a_reason(class_name: str) -> bool:
    """Return whether it is known why pipelines of a class don't paint here."""
    return any(re.fullmatch(pattern, class_name) for pattern, *_ in _REASONS)


def without_use(class_name: str) -> tuple[str, str]:
    """Return why pipelines of a class don't paint here, and what helps."""
    for pattern, reason, remedy in _REASONS:
        if re.fullmatch(pattern, class_name):
            return reason, remedy
    return "diffusers has no pipeline of it that paints a picture from words or from a picture", _OTHERS
