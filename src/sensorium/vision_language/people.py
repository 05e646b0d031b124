"""Finding people in pictures, and the landmarks of their bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sensorium.errors import InputError
from sensorium.record import Record
from sensorium.task import Task

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.blazepose import BlazePose  # noqa: F401 - named in the class below

_MINIMUM_SIDE = 512


@dataclass(frozen=True, eq=False, repr=False)
class Landmark(Record):
    """A point of a body.

    Attributes:
        name: Such as ``"left elbow"``; left and right are the person's own.
        x: From the left edge, in pixels; may lie outside of the image.
        y: From the top edge, in pixels; may lie outside of the image.
        depth: Distance from the camera relative to the hips, on the scale of ``x``; smaller is nearer.
        visibility: From 0 to 1: how likely it is in the image and not hidden.
    """

    name: str
    x: float
    y: float
    depth: float
    visibility: float


@dataclass(frozen=True, eq=False, repr=False)
class Person(Record):
    """Somebody in a picture.

    Attributes:
        box: Left, top, right, bottom in pixels, within the image.
        score: The detector's confidence, from 0 to 1.
        landmarks: The 33 points of BlazePose; empty if they weren't asked for.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[Landmark, ...] = ()


class PeopleDetector(Task["BlazePose"]):
    """Finds people.

    Args:
        model: Catalog name, local folder, or None for the profile's default.
        device: ``"auto"`` or ``"cpu"``: BlazePose runs on the CPU.
        dtype: BlazePose has one precision of its own.

    Source: Bazarevsky et al. 2020, BlazePose: On-device Real-time Body Pose Tracking.
    """

    task = "people-detection"
    families: ClassVar[dict[str, str]] = {"blazepose-tflite": "sensorium.vision_language.blazepose:BlazePose"}
    uses_torch = False

    def _resolve_device(self) -> str:
        if self._device not in ("auto", "cpu"):
            raise InputError(f"People are not found on {self._device!r}: BlazePose runs on the CPU", "Use device='cpu'")
        return "cpu"

    def detect(self, image: ImageSource, *, landmarks: bool = True) -> list[Person]:
        """Find people.

        Args:
            image: An image.
            landmarks: Whether to find the points of each body, too; without it boxes are rougher.

        Returns:
            The people found, most certain first.

        Raises:
            InputError: The image can't be read.
        """
        from sensorium.media.image import read_image

        return self.backend.detect(read_image(image, minimum_side=_MINIMUM_SIDE), landmarks=landmarks)

    def confidence(self, image: ImageSource) -> float:
        """Return the confidence, from 0 to 1, that there is anybody in the picture.

        Raises:
            InputError: The image can't be read.
        """
        from sensorium.media.image import read_image

        return self.backend.confidence(read_image(image, minimum_side=_MINIMUM_SIDE))
