"""Object detectors in transformers' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image

from sensorium.image_generation.annotators.hub_network import HubNetwork, check_shape
from sensorium.models.catalog import Checkpoint


class DetectionNetwork(HubNetwork):
    """A network that gives boxes with classes.

    Attributes:
        classes: The names of the classes, by number.
    """

    def __init__(self, processor_class: Any, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForObjectDetection

        super().__init__(
            AutoModelForObjectDetection, processor_class, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        self._names = {int(number): str(name) for number, name in self.network.config.id2label.items()}
        self.classes = tuple(self._names.values())

    def detect(
        self, image: PIL.Image.Image, threshold: float
    ) -> list[tuple[str, tuple[float, float, float, float], float]]:
        """Return labels, boxes (left, top, right, bottom) and scores for an upright RGB picture."""
        check_shape(image, "Things")
        width, height = image.size
        inputs = self.processor(images=image, return_tensors="pt")
        mask = {"pixel_mask": inputs["pixel_mask"].to(self.network.device)} if "pixel_mask" in inputs else {}
        outputs = self.run(inputs, image.size, **mask)
        outputs.logits, outputs.pred_boxes = outputs.logits.float(), outputs.pred_boxes.float()
        (found,) = self.processor.post_process_object_detection(
            outputs, threshold=threshold, target_sizes=[(height, width)]
        )
        return [
            (self._names[label], (left, top, right, bottom), score)
            for label, (left, top, right, bottom), score in zip(
                found["labels"].tolist(), found["boxes"].tolist(), found["scores"].tolist(), strict=True
            )
        ]


class RTDetr(DetectionNetwork):
    """RT-DETR, versions 1 and 2."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import RTDetrImageProcessorPil

        super().__init__(RTDetrImageProcessorPil, folder, checkpoint=checkpoint, device=device, dtype=dtype)


class Detr(DetectionNetwork):
    """DETR."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import DetrImageProcessorPil

        super().__init__(DetrImageProcessorPil, folder, checkpoint=checkpoint, device=device, dtype=dtype)
