"""Object detectors in transformers' layout: whatever its Auto class opens."""

from __future__ import annotations

from pathlib import Path

import PIL.Image

from sensorium.errors import UnsupportedError
from sensorium.image_generation.annotators.hub_network import HubNetwork
from sensorium.models.catalog import Checkpoint


class DetectionNetwork(HubNetwork):
    """D-FINE, DEIMv2, RT-DETR, DETR and their kin: boxes with classes.

    Attributes:
        classes: The names of the classes, by number.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForObjectDetection

        super().__init__(
            AutoModelForObjectDetection,
            folder,
            checkpoint=checkpoint,
            device=device,
            # Half precision tells places apart to a two-thousandth of the picture: pixels in a large photograph.
            dtype="float32" if dtype == "auto" else dtype,
        )
        if not hasattr(self.processor, "post_process_object_detection"):
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} names no things: transformers makes no boxes of what it gives",
                "Choose a detector such as PekingU/rtdetr_r50vd",
            )
        self._names = {int(number): str(name) for number, name in self.network.config.id2label.items()}
        self.classes = tuple(self._names.values())

    def detect(
        self, image: PIL.Image.Image, threshold: float
    ) -> list[tuple[str, tuple[float, float, float, float], float]]:
        """Return labels, boxes (left, top, right, bottom) and scores for an upright RGB picture."""
        width, height = image.size
        outputs = self.run(self.prepare(image, "Things"), image.size)
        outputs.logits, outputs.pred_boxes = outputs.logits.float(), outputs.pred_boxes.float()
        (found,) = self.processor.post_process_object_detection(
            outputs, threshold=threshold, target_sizes=[(height, width)]
        )
        return [
            (self._names.get(label, str(label)), (left, top, right, bottom), score)
            for label, (left, top, right, bottom), score in zip(
                found["labels"].tolist(), found["boxes"].tolist(), found["scores"].tolist(), strict=True
            )
        ]
