"""Depth networks in transformers' layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

from sensorium.image_generation.annotators.hub_network import HubNetwork
from sensorium.models.catalog import Checkpoint


class DepthNetwork(HubNetwork):
    """A network that gives one value a pixel.

    Attributes:
        metric: Whether the values are metres; else relative inverse depth.
    """

    metric = False

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForDepthEstimation, DPTImageProcessorPil

        super().__init__(
            AutoModelForDepthEstimation,
            DPTImageProcessorPil,
            folder,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
        )

    def estimate(self, image: PIL.Image.Image) -> npt.NDArray[np.float32]:
        """Return float32 ``[height, width]`` for an upright RGB picture."""
        width, height = image.size
        outputs = self.run(self.prepare(image, "Depth"), image.size)
        outputs.predicted_depth = outputs.predicted_depth.float()
        (found,) = self.processor.post_process_depth_estimation(outputs, target_sizes=[(height, width)])
        values: npt.NDArray[np.float32] = found["predicted_depth"].cpu().numpy()
        return values


class DepthAnything(DepthNetwork):
    """Depth Anything, versions 1 and 2, relative and metric."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self.metric = self.network.config.depth_estimation_type == "metric"
        # Older transformers wrote null for "not scaled"; this one multiplies by it.
        self.network.head.max_depth = self.network.head.max_depth or 1


class DPT(DepthNetwork):
    """DPT as MiDaS trained it: relative inverse depth."""
