"""What a diffusion checkpoint was made for: steps, guidance and size, told by its own configuration, never its name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensorium.image_generation.painting_options import SIDE_FACTOR
from sensorium.models.catalog import Checkpoint

_FEW_STEPS = 4
_EMBEDDED_GUIDANCE = 8.0
"""For consistency models that take guidance as an input: Luo et al. 2023, https://arxiv.org/abs/2310.04378."""
_NATIVE_SIDE = 1024
_COMBINED_FACTORS = {"vqgan": 128, "movq": 64}
"""What sides must be multiples of so that the two halves of a painter agree on them: Würstchen, Cascade; Kandinsky."""
_CONSISTENCY = "LCMScheduler"


@dataclass(frozen=True)
class DiffusionDefaults:
    """The right numbers for a checkpoint and a kind of painting.

    Attributes:
        steps: Denoising steps.
        guidance_scale: How closely to follow the prompt; None where the family doesn't know it.
        guidance_argument: How the pipeline's call names it; "" where the family doesn't know it.
        reads_negative_prompts: Whether a negative prompt has any effect once guidance is over 1.
    """

    steps: int
    guidance_scale: float | None
    guidance_argument: str
    reads_negative_prompts: bool


def diffusion_defaults(pipeline: Any, own: Any, checkpoint: Checkpoint) -> DiffusionDefaults:
    """Return the right numbers: the catalog's; else what the configuration tells; else the defaults of the pipeline.

    Args:
        pipeline: The one that is to paint. Its own defaults may be others: those of FLUX's image-to-image pipeline are.
        own: The one that the checkpoint names.
        checkpoint: Its catalog entry.
    """
    parameters, own_parameters = call_parameters(pipeline), call_parameters(own)
    argument = _guidance_argument(parameters)
    embedded = _config(pipeline, "unet", "time_cond_proj_dim") is not None
    # FLUX-like pipelines read a negative prompt only in a second mode that doubles the work.
    flux_like = argument == "guidance_scale" and "true_cfg_scale" in parameters
    reads_negative = "negative_prompt" in parameters and not embedded and not flux_like
    steps = own_parameters["num_inference_steps"].default
    guidance = own_parameters[argument].default if argument in own_parameters else None
    few = _few_step_guidance(own, embedded, flux_like)
    if few is None and type(pipeline.scheduler).__name__ == _CONSISTENCY:
        few = 1.0  # asked for by name, which only makes sense with a LoRA that distils the checkpoint
    if few is not None and steps > _FEW_STEPS:
        steps, guidance = _FEW_STEPS, few
    steps = checkpoint.steps or steps
    guidance = guidance if checkpoint.guidance_scale is None else checkpoint.guidance_scale
    return DiffusionDefaults(steps, guidance, argument, reads_negative)


def size_factor(pipeline: Any) -> int:
    """Return what widths and heights must be multiples of: a latent's side, or that of a patch of latents."""
    if "prior_prior" in pipeline.components:
        return _COMBINED_FACTORS["vqgan" if "vqgan" in pipeline.components else "movq"]
    patch = 1
    transformer = pipeline.components.get("transformer")
    if transformer is not None:
        latent_channels = _config(pipeline, "vae", "latent_channels")
        # Fill and Control take further latents beside those that they denoise.
        inputs = transformer.config.get("in_channels") or 0
        unpatched = transformer.config.get("patch_size") == 1
        packed = latent_channels and (inputs == 4 * latent_channels or (unpatched and inputs > 4 * latent_channels))
        size = 2 if packed else transformer.config.get("patch_size") or 2
        patch = int(size if isinstance(size, int) else size[-1])
    factor = _scale_factor(pipeline) * patch
    return factor if factor % SIDE_FACTOR == 0 else SIDE_FACTOR


def native_side(pipeline: Any) -> int:
    """Return the side of the square that a checkpoint was trained on, in pixels."""
    size = getattr(pipeline, "default_sample_size", None)
    for part in ("unet", "transformer"):
        size = size or _config(pipeline, part, "sample_size")
    if size is None:
        return _NATIVE_SIDE
    return int(size if isinstance(size, int) else max(size)) * _scale_factor(pipeline)


def call_parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a pipeline's call."""
    return inspect.signature(type(pipeline).__call__).parameters


def _guidance_argument(parameters: Mapping[str, inspect.Parameter]) -> str:
    guidance = parameters.get("guidance_scale")
    if "true_cfg_scale" in parameters and (guidance is None or guidance.default is None):
        return "true_cfg_scale"
    if guidance is None and "prior_guidance_scale" in parameters:
        return "prior_guidance_scale"
    return "guidance_scale" if guidance is not None else ""


def _few_step_guidance(own: Any, embedded: bool, flux_like: bool) -> float | None:
    """Return the right guidance if the checkpoint was distilled to a few steps, else None."""
    scheduler = own.scheduler
    if type(scheduler).__name__ == _CONSISTENCY or embedded:
        return _EMBEDDED_GUIDANCE if embedded else 1.0
    if getattr(own.config, "is_distilled", False):
        return 1.0  # FLUX.2 klein
    if flux_like and _config(own, "transformer", "guidance_embeds") is False:
        return 0.0  # FLUX.1 schnell; its undistilled sister takes guidance as an input
    # Turbo and Lightning checkpoints start at the very last timestep. So do those trained to zero signal, slowly.
    trailing = scheduler.config.get("timestep_spacing") == "trailing" and not scheduler.config.get(
        "rescale_betas_zero_snr"
    )
    euler = type(scheduler).__name__ in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
    epsilon = scheduler.config.get("prediction_type", "epsilon") == "epsilon"
    return 0.0 if trailing and euler and epsilon else None


def _scale_factor(pipeline: Any) -> int:
    return int(getattr(pipeline, "vae_scale_factor", 0) or 8)


def _config(pipeline: Any, part: str, name: str) -> Any:
    component = pipeline.components.get(part)
    return None if component is None else component.config.get(name)
