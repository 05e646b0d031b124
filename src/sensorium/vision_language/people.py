"""Finding people in pictures, and the landmarks of their bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sensorium.task import Task
from sensorium.vision_language.person import Person

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.blazepose import BlazePose  # noqa: F401 - named in the class below

_MINIMUM_SIDE = 512


class PeopleDetector(Task["BlazePose"]):
    """Finds people.

    Args:
        model: Catalog name, local folder, or None for the profile's default.
        device: ``"auto"`` or ``"cpu"``: BlazePose runs on the CPU.
        dtype: BlazePose has one precision of its own.

    Source: Bazarevsky et al. 2020, BlazePose: On-device Real-time Body Pose Tracking; 2019, BlazeFace.
    """

    task = "people-detection"
    families: ClassVar[dict[str, str]] = {"blazepose-tflite": "sensorium.vision_language.blazepose:BlazePose"}
    cpu_families = frozenset(families)

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

        picture = read_image(image, minimum_side=_MINIMUM_SIDE, limits=self.limits)
        with self.lease() as backend:
            return backend.detect(picture, landmarks=landmarks)

    def find(self, image: ImageSource) -> list[Person]:
        """Find people by bodies and faces, small ones too: slower than `detect`, and surer.

        Args:
            image: An image.

        Returns:
            Each person once, most certain first, without landmarks; those whose face shows have its box. Whoever has
            none was found by the body alone, which animals can be taken for.

        Raises:
            InputError: The image can't be read.
        """
        from sensorium.media.image import read_image

        picture = read_image(image, minimum_side=_MINIMUM_SIDE, limits=self.limits)
        with self.lease() as backend:
            return backend.find(picture)

    def confidence(self, image: ImageSource) -> float:
        """Return the confidence, from 0 to 1, that there is anybody in the picture.

        Raises:
            InputError: The image can't be read.
        """
        from sensorium.media.image import read_image

        picture = read_image(image, minimum_side=_MINIMUM_SIDE, limits=self.limits)
        with self.lease() as backend:
            return backend.confidence(picture)
