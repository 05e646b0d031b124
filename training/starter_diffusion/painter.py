"""Paints an evaluation's prompts with plain diffusers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from training.starter_diffusion.pipeline import CONTROL

STEPS, GUIDANCE = 20, 3.5
_BATCH = 16


class Painter:
    """A checkpoint that paints.

    Args:
        checkpoint: Folder in diffusers' layout.
        steps: Of denoising.
        guidance: Scale of classifier-free guidance.

    Attributes:
        control: The pipeline with the checkpoint's ControlNet, or None if it has none.
    """

    def __init__(self, checkpoint: Path, steps: int = STEPS, guidance: float = GUIDANCE) -> None:
        from diffusers import StableDiffusionPipeline

        self._pipeline: Any = StableDiffusionPipeline.from_pretrained(checkpoint, safety_checker=None)
        self._pipeline.set_progress_bar_config(disable=True)
        self._steps, self._guidance = steps, guidance
        self.control: Any = _open_control(self._pipeline, checkpoint / CONTROL)

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[PIL.Image.Image]:
        """Return one picture for each prompt and seed."""
        pictures = []
        for start in range(0, len(prompts), _BATCH):
            chosen = list(prompts[start : start + _BATCH])
            generators = [torch.Generator().manual_seed(seed) for seed in seeds[start : start + _BATCH]]
            found = self._pipeline(
                chosen, num_inference_steps=self._steps, guidance_scale=self._guidance, generator=generators
            )
            pictures.extend(found.images)
        return pictures

    def paint_along(
        self, edges: Sequence[PIL.Image.Image], prompts: Sequence[str], seeds: Sequence[int]
    ) -> list[PIL.Image.Image]:
        """Return one picture for each map of edges, prompt and seed."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        found = self.control(
            list(prompts),
            image=list(edges),
            num_inference_steps=self._steps,
            guidance_scale=self._guidance,
            generator=generators,
        )
        return found.images


def _open_control(pipeline: Any, folder: Path) -> Any | None:
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    if not folder.is_dir():
        return None
    network = ControlNetModel.from_pretrained(folder)
    painter = StableDiffusionControlNetPipeline(
        **pipeline.components, controlnet=network, requires_safety_checker=False
    )
    painter.set_progress_bar_config(disable=True)
    return painter
