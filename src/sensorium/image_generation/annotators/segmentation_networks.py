"""Networks in transformers' layout that score each pixel for each class: whatever its Auto class opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch

from sensorium.image_generation.annotators.hub_network import HubNetwork
from sensorium.models.catalog import Checkpoint

_ROWS_AT_ONCE = 64


class SegmentationNetwork(HubNetwork):
    """SegFormer, UperNet, BEiT, DPT and their kin.

    Attributes:
        classes: The names of the classes, by number.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForSemanticSegmentation

        super().__init__(AutoModelForSemanticSegmentation, folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self.classes = class_names(self.network.config)

    def segment(self, image: PIL.Image.Image) -> npt.NDArray[np.int64]:
        """Return class numbers, int64 ``[height, width]``, for an upright RGB picture."""
        options = {"do_center_crop": False} if getattr(self.processor, "do_center_crop", None) else {}
        outputs = self.run(self.prepare(image, "Segments", **options), image.size)
        with torch.inference_mode():
            return most_likely(outputs.logits[0].float(), *image.size).cpu().numpy()


def class_names(config: Any) -> tuple[str, ...]:
    """Return the names of a checkpoint's classes, by number; where it names none, the number is the name."""
    return tuple(str(config.id2label.get(number, number)) for number in range(len(config.id2label)))


def most_likely(scores: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Return the likeliest class of each pixel, int64 ``[height, width]``.

    Scores, float32 ``[classes, rows, columns]``, are stretched as transformers does it (bilinear, corners not aligned),
    but a few rows at a time: 150 classes of a 12-megapixel photograph would take 7 GB at once.
    """
    wide = torch.nn.functional.interpolate(scores[None], size=(scores.shape[1], width), mode="bilinear")[0]
    places = ((torch.arange(height, device=wide.device) + 0.5) * (wide.shape[1] / height) - 0.5).clamp(min=0)
    above = places.floor().long()
    below = (above + 1).clamp(max=wide.shape[1] - 1)
    share = places - above
    strips = [
        torch.lerp(wide[:, above[rows]], wide[:, below[rows]], share[rows, None]).argmax(dim=0)
        for rows in (slice(start, start + _ROWS_AT_ONCE) for start in range(0, height, _ROWS_AT_ONCE))
    ]
    return torch.cat(strips)
