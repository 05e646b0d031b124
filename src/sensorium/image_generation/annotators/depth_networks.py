"""Depth networks in transformers' layout: whatever its Auto class opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch

from sensorium.image_generation.annotators.hub_network import HubNetwork
from sensorium.models.catalog import Checkpoint

_IN_METRES = frozenset({"depth_pro", "glpn", "tipsv2_dpt", "zoedepth"})
"""The types whose values are always metres; others say in ``config.json`` what theirs are."""


class DepthNetwork(HubNetwork):
    """A network that gives one value a pixel.

    Attributes:
        metric: Whether the values are metres; else relative inverse depth.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForDepthEstimation

        super().__init__(AutoModelForDepthEstimation, folder, checkpoint=checkpoint, device=device, dtype=dtype)
        config = self.network.config
        self.metric = config.model_type in _IN_METRES or getattr(config, "depth_estimation_type", "") == "metric"

    def estimate(self, image: PIL.Image.Image) -> npt.NDArray[np.float32]:
        """Return float32 ``[height, width]`` for an upright RGB picture."""
        width, height = image.size
        outputs = self.run(self.prepare(image, "Depth"), image.size)
        outputs.predicted_depth = outputs.predicted_depth.float()
        with torch.inference_mode():
            values: npt.NDArray[np.float32] = self._sized(outputs, width, height).cpu().numpy()
        return values

    def _sized(self, outputs: Any, width: int, height: int) -> torch.Tensor:
        """Return what the network gave in the size of the picture, ``[height, width]``."""
        (found,) = self.processor.post_process_depth_estimation(outputs, target_sizes=[(height, width)])
        depth: torch.Tensor = found["predicted_depth"]
        return depth


class DepthAnything(DepthNetwork):
    """Depth Anything, versions 1 and 2, relative and metric."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        # Older transformers wrote null for "not scaled"; this one multiplies by it.
        self.network.head.max_depth = self.network.head.max_depth or 1


class ZoeDepth(DepthNetwork):
    """ZoeDepth: it sees the picture with its own reflection around it, which is cut off again.

    Source: Bhat et al. 2023, ZoeDepth: Zero-shot Transfer by Combining Relative and Metric Depth.
    """

    def _sized(self, outputs: Any, width: int, height: int) -> torch.Tensor:
        # The same as the processor's post_process_depth_estimation, which needs torchvision.
        across, down = (int((side / 2) ** 0.5 * 3) if self.processor.do_pad else 0 for side in (width, height))
        depth = torch.nn.functional.interpolate(
            outputs.predicted_depth[None],
            size=(height + 2 * down, width + 2 * across),
            mode="bicubic",
            align_corners=False,
        )
        return depth[0, 0, down : down + height, across : across + width]
