"""How likely pictures show nudity: ``NudityDetector``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sensorium.arguments import checked
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.open_nsfw import OpenNsfw  # noqa: F401 - named in the class below


class NudityDetector(Task["OpenNsfw"]):
    """Tells how likely a picture is pornographic or shows nudity; `VideoQA.moderate` asks it.

    Args:
        model: Catalog name, local folder, or None for the profile's default.
        device: ``"auto"`` or ``"cpu"``: open_nsfw runs on the CPU.
        dtype: open_nsfw has one precision of its own.

    Source: Mahadeokar and Pesavento 2016, https://github.com/yahoo/open_nsfw.
    """

    task = "nudity-detection"
    families: ClassVar[dict[str, str]] = {"open-nsfw-onnx": "sensorium.vision_language.open_nsfw:OpenNsfw"}
    cpu_families = frozenset(families)

    @checked
    def score(
        self,
        image: ImageSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> float:
        """Return the probability, from 0 to 1, that a picture is pornographic or shows nudity.

        Args:
            image: A picture.
            progress: Told what is being loaded.
            cancel: Stops loading.

        Raises:
            InputError: The picture can't be read.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        with self.lease(progress=progress, cancel=cancel) as backend:
            return backend.score(read_image(image, minimum_side=backend.resized_side, limits=self.limits))
