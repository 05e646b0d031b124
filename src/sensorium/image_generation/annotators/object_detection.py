"""Where things are in a picture: ``ObjectDetector``; pose networks need the boxes of people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sensorium.errors import InputError, UnsupportedError
from sensorium.models.auto_family import opens_by_auto_class
from sensorium.progress import Cancellation, check_cancelled
from sensorium.record import Record
from sensorium.task import Task

if TYPE_CHECKING:
    from sensorium.image_generation.annotators.detection_networks import DetectionNetwork  # noqa: F401 - named below
    from sensorium.media.image import ImageSource


_BY_AUTO_CLASS = "object-detection"
"""The family that stands for all detectors of transformers."""
_NETWORK = "sensorium.image_generation.annotators.detection_networks:DetectionNetwork"


@dataclass(frozen=True, eq=False, repr=False)
class Detection(Record):
    """A thing in a picture.

    Attributes:
        label: What it is, as the checkpoint calls it.
        box: Left, top, right, bottom in pixels.
        score: From 0 to 1.
    """

    label: str
    box: tuple[float, float, float, float]
    score: float


class ObjectDetector(Task["DetectionNetwork"]):
    """Finds things of the checkpoint's classes, mostly COCO's 80.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Sources: Peng et al. 2024, D-FINE; Zhao et al. 2024, DETRs Beat YOLOs on Real-time Object Detection; Carion et al.
    2020, End-to-End Object Detection with Transformers.
    """

    task = "object-detection"
    families: ClassVar[dict[str, str]] = {
        "rt_detr": _NETWORK,
        _BY_AUTO_CLASS: _NETWORK,
    }

    def _family(self, folder: Path) -> str:
        family = super()._family(folder)
        if family in self.families or not opens_by_auto_class(
            family, folder, "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES"
        ):
            return family
        return _BY_AUTO_CLASS

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        if not opens_by_auto_class(family, folder, "MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES"):
            return super()._unsuitable(family, folder)
        return UnsupportedError(
            f"{type(self).__name__} can't use {self.checkpoint.name!r}: it finds what it is told in words, "
            "and here a picture alone is given",
            "Choose a detector of fixed classes such as PekingU/rtdetr_r50vd",
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the checkpoint's classes; loads it if need be."""
        return self.backend.classes

    def detect(
        self, image: ImageSource, *, threshold: float = 0.5, cancel: Cancellation | None = None
    ) -> list[Detection]:
        """Find things.

        Args:
            image: An image.
            threshold: The score from which on something counts, from 0 to 1.
            cancel: Stops before the network runs.

        Returns:
            What was found, most certain first.

        Raises:
            InputError: The image can't be read, is too small or too narrow, or the threshold is none.
        """
        from sensorium.media.image import read_image

        if not 0 <= threshold <= 1:
            raise InputError(f"The threshold {threshold} is not between 0 and 1", "Use 0.5")
        upright = read_image(image, limits=self.limits)
        with self.lease(cancel=cancel) as network:
            check_cancelled(cancel)
            found = [Detection(*each) for each in network.detect(upright, threshold)]
        return sorted(found, key=lambda detection: -detection.score)
