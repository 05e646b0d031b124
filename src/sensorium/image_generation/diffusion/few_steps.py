"""Whether a diffusion checkpoint was distilled to few steps, told by its own files, never by its name.

Sources: Turbo and Lightning: their scheduler files; FLUX.2 klein and Krea 2: ``is_distilled`` in diffusers' pipelines;
Z-Image: ``shift`` in the scheduler files of Z-Image-Turbo (3) and Z-Image (6); HiDream: ``inference.py`` of its makers;
HunyuanImage 2.1 distilled: its model card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

EMBEDDED_GUIDANCE = 8.0
"""For consistency models that take guidance as an input: Luo et al. 2023, https://arxiv.org/abs/2310.04378."""

_CONSISTENCY = ("LCMScheduler", "TCDScheduler")
_EULER = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")


@dataclass(frozen=True)
class FewSteps:
    """What a distilled checkpoint is painted with.

    Attributes:
        steps: Denoising steps.
        guidance_scale: How closely to follow the prompt; None for the pipeline's own default.
    """

    steps: int
    guidance_scale: float | None


CONSISTENCY = FewSteps(4, 1.0)


def is_consistency(scheduler: Any) -> bool:
    """Return whether a scheduler only makes sense with a checkpoint that was distilled, or a LoRA that does it."""
    return type(scheduler).__name__ in _CONSISTENCY


def few_steps(own: Any, *, embedded: bool, flux_like: bool) -> FewSteps | None:
    """Return what a checkpoint is painted with if it was distilled to few steps, else None.

    Args:
        own: The pipeline that the checkpoint names.
        embedded: Whether its U-Net takes guidance as an input.
        flux_like: Whether it reads a negative prompt only in a second mode.
    """
    of_class = _BY_CLASS.get(type(own).__name__)
    told = None if of_class is None else of_class(own)
    if told is not None:
        return told
    if embedded or is_consistency(own.scheduler):
        return FewSteps(4, EMBEDDED_GUIDANCE) if embedded else CONSISTENCY
    if getattr(own.config, "is_distilled", False):
        return FewSteps(4, 1.0)  # FLUX.2 klein
    if flux_like and component_setting(own, "transformer", "guidance_embeds") is False:
        return FewSteps(4, 0.0)  # FLUX.1 schnell; its undistilled sister takes guidance as an input
    # Turbo and Lightning checkpoints start at the very last timestep. So do those trained to zero signal, slowly.
    settings = own.scheduler.config
    trailing = settings.get("timestep_spacing") == "trailing" and not settings.get("rescale_betas_zero_snr")
    euler = type(own.scheduler).__name__ in _EULER
    epsilon = settings.get("prediction_type", "epsilon") == "epsilon"
    return FewSteps(4, 0.0) if trailing and euler and epsilon else None


def component_setting(pipeline: Any, part: str, name: str) -> Any:
    """Return a setting of a component; None if there is no such component or setting."""
    component = pipeline.components.get(part)
    return None if component is None else component.config.get(name)


def _krea_2(own: Any) -> FewSteps | None:
    # Its guidance counts from 0 on, where other pipelines' counts from 1 on.
    return FewSteps(8, 0.0) if own.config.get("is_distilled") else None


def _z_image(own: Any) -> FewSteps | None:
    settings = own.scheduler.config
    return FewSteps(8, 0.0) if settings.get("shift") == 3.0 and not settings.get("use_dynamic_shifting") else None


def _hidream(own: Any) -> FewSteps | None:
    """HiDream-I1 Dev has a shift of 6, Fast one of 3; both are sampled as consistency models, Full isn't."""
    if not type(own.scheduler).__name__.endswith("LCMScheduler"):
        return None
    return FewSteps(28 if own.scheduler.config.get("shift") == 6.0 else 16, 0.0)


def _hunyuan_image(own: Any) -> FewSteps | None:
    return FewSteps(8, None) if component_setting(own, "transformer", "use_meanflow") else None


_BY_CLASS: Mapping[str, Callable[[Any], FewSteps | None]] = {
    "Krea2Pipeline": _krea_2,
    "ZImagePipeline": _z_image,
    "HiDreamImagePipeline": _hidream,
    "HunyuanImagePipeline": _hunyuan_image,
}
