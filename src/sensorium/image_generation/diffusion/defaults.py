"""What a diffusion checkpoint was made for: steps, guidance and size, told by its own configuration, never its name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensorium.image_generation.diffusion.call_signature import call_parameters
from sensorium.image_generation.diffusion.few_steps import (
    CONSISTENCY,
    component_setting,
    few_steps,
    is_consistency,
)
from sensorium.image_generation.painting_options import SIDE_FACTOR
from sensorium.models.catalog import Checkpoint

_NATIVE_SIDE = 1024
_COMBINED_FACTORS = {"vqgan": 128, "movq": 64}
"""What sides must be multiples of so that the two halves of a painter agree on them: Würstchen, Cascade; Kandinsky."""

_GUIDED_FROM_ZERO = ("Krea2", "ZImage")
"""Pipelines of diffusers that take any guidance over 0 for one; to others 1 is none."""


@dataclass(frozen=True)
class DiffusionDefaults:
    """The right numbers for a checkpoint and a kind of painting.

    Attributes:
        steps: Denoising steps.
        guidance_scale: How closely to follow the prompt; None where the family doesn't know it.
        guidance_argument: How the pipeline's call names it; "" where the family doesn't know it.
        reads_negative_prompts: Whether a negative prompt has any effect with guidance.
        without_guidance: The guidance scale that means none.
    """

    steps: int
    guidance_scale: float | None
    guidance_argument: str
    reads_negative_prompts: bool
    without_guidance: float = 1.0


def diffusion_defaults(pipeline: Any, own: Any, checkpoint: Checkpoint) -> DiffusionDefaults:
    """Return the right numbers: the catalog's; else what the configuration tells; else the defaults of the pipeline.

    Args:
        pipeline: The one that is to paint. Its own defaults may be others: those of FLUX's image-to-image pipeline are.
        own: The one that the checkpoint names.
        checkpoint: Its catalog entry.
    """
    parameters, own_parameters = call_parameters(pipeline), call_parameters(own)
    argument = _guidance_argument(parameters)
    embedded = component_setting(pipeline, "unet", "time_cond_proj_dim") is not None
    # FLUX-like pipelines read a negative prompt only in a second mode that doubles the work.
    flux_like = argument == "guidance_scale" and "true_cfg_scale" in parameters
    reads_negative = "negative_prompt" in parameters and not embedded and not flux_like
    steps = own_parameters["num_inference_steps"].default
    guidance = own_parameters[argument].default if argument in own_parameters else None
    few = few_steps(own, embedded=embedded, flux_like=flux_like)
    if few is None and is_consistency(pipeline.scheduler):
        few = CONSISTENCY  # asked for by name, which only makes sense with a LoRA that distils the checkpoint
    if few is not None and steps > few.steps:
        steps, guidance = few.steps, guidance if few.guidance_scale is None else few.guidance_scale
    steps = checkpoint.steps or steps
    guidance = guidance if checkpoint.guidance_scale is None else checkpoint.guidance_scale
    none = 0.0 if type(pipeline).__name__.startswith(_GUIDED_FROM_ZERO) else 1.0
    if argument == "distilled_guidance_scale" and not component_setting(pipeline, "transformer", "guidance_embeds"):
        # HunyuanImage's guider has a scale of its own.
        argument, guidance, none = "", None, -1.0
    return DiffusionDefaults(steps, guidance, argument, reads_negative, none)


def size_factor(pipeline: Any) -> int:
    """Return what widths and heights must be multiples of: a latent's side, or that of a patch of latents."""
    if "prior_prior" in pipeline.components:
        return _COMBINED_FACTORS["vqgan" if "vqgan" in pipeline.components else "movq"]
    patch = 1
    transformer = pipeline.components.get("transformer")
    if transformer is not None:
        latent_channels = component_setting(pipeline, "vae", "latent_channels")
        # Fill and Control take further latents beside those that they denoise.
        inputs = transformer.config.get("in_channels") or 0
        unpatched = transformer.config.get("patch_size") == 1
        packed = latent_channels and (inputs == 4 * latent_channels or (unpatched and inputs > 4 * latent_channels))
        size = 2 if packed else transformer.config.get("patch_size") or 2
        patch = 1 if _counts_patches(pipeline) else int(size if isinstance(size, int) else size[-1])
    factor = _scale_factor(pipeline) * patch
    reading = getattr(getattr(pipeline, "image_processor", None), "config", {}).get("vae_scale_factor")
    if isinstance(reading, int) and reading > 0:
        factor = math.lcm(factor, reading)  # pictures are read in multiples of it
    return factor if factor % SIDE_FACTOR == 0 else SIDE_FACTOR


def native_side(pipeline: Any) -> int:
    """Return the side of the square that a checkpoint was trained on, in pixels."""
    size = getattr(pipeline, "default_sample_size", None)
    for part in ("unet", "transformer"):
        size = size or component_setting(pipeline, part, "sample_size")
    if size is None:
        return _NATIVE_SIDE
    return int(size if isinstance(size, int) else max(size)) * _scale_factor(pipeline)


def _guidance_argument(parameters: Mapping[str, inspect.Parameter]) -> str:
    guidance = parameters.get("guidance_scale")
    if "true_cfg_scale" in parameters and (guidance is None or guidance.default is None):
        return "true_cfg_scale"
    if guidance is None and "prior_guidance_scale" in parameters:
        return "prior_guidance_scale"
    if guidance is None:
        return "distilled_guidance_scale" if "distilled_guidance_scale" in parameters else ""
    return "guidance_scale"


def _counts_patches(pipeline: Any) -> bool:
    """Return whether a pipeline's scale factor is that of a patch of latents already, as ERNIE-Image's is."""
    blocks = component_setting(pipeline, "vae", "block_out_channels")
    return bool(blocks) and _scale_factor(pipeline) == 2 ** len(blocks)


def _scale_factor(pipeline: Any) -> int:
    return int(getattr(pipeline, "vae_scale_factor", 0) or 8)
