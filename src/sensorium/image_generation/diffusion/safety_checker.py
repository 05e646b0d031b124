"""The safety checker that Stable Diffusion checkpoints bring along: it tells, and never blackens a picture."""

from __future__ import annotations

from typing import Any

import numpy
import PIL.Image


class SafetyChecker:
    """Says whether a picture is one that the checkpoint's makers object to.

    Args:
        model: ``StableDiffusionSafetyChecker`` of diffusers.
        image_processor: Its CLIP image processor.

    Source: Rando et al. 2022, https://arxiv.org/abs/2210.04610, on what it finds and misses.
    """

    def __init__(self, model: Any, image_processor: Any) -> None:
        self._model = model
        self._image_processor = image_processor

    def objects_to(self, image: PIL.Image.Image) -> bool:
        """Return whether the checker flags an RGB picture."""
        pixels = self._image_processor(image, return_tensors="pt").pixel_values
        # It blackens what it is given where it objects; the zeros here are only for that.
        _, flagged = self._model(
            clip_input=pixels.to(self._model.device, self._model.dtype), images=[numpy.zeros((1, 1, 3))]
        )
        return bool(flagged[0])
