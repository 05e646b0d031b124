"""Reading what is written in pictures: ``TextReader``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, overload

from sensorium.arguments import checked
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.task import Task
from sensorium.vision_language.writing import Writing

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.pp_ocr.reader import PpOcr  # noqa: F401 - named in the class below


class TextReader(Task["PpOcr"]):
    """Reads what is written in pictures: on signs, pages, screens; level, turned or upside down.

    Args:
        model: Catalog name, local folder, or None for the profile's default.
        device: ``"auto"`` or ``"cpu"``: PP-OCR runs on the CPU.
        dtype: ``"auto"`` or ``"float32"``: PP-OCR has one precision.

    Source: Cui et al. 2025, PaddleOCR 3.0 Technical Report.
    """

    task = "text-recognition"
    families: ClassVar[dict[str, str]] = {"pp-ocr": "sensorium.vision_language.pp_ocr.reader:PpOcr"}
    cpu_families = frozenset(families)

    @overload
    def read(
        self,
        image: list[ImageSource] | tuple[ImageSource, ...],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Writing]: ...

    @overload
    def read(
        self,
        image: ImageSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Writing: ...

    @checked
    def read(
        self,
        image: ImageSource | Sequence[ImageSource],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Writing | list[Writing]:
        """Read a picture.

        Args:
            image: A picture, or a list of them.
            progress: Told the pictures read so far.
            cancel: Stops within a few lines.

        Returns:
            What is written there, in reading order; no lines if nothing is. A list of them for a list of pictures.

        Raises:
            InputError: A picture can't be read as a picture.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import as_list, read_image

        several = isinstance(image, (list, tuple))
        images = as_list(image)
        found: list[Writing] = []
        with self.lease(progress=progress, cancel=cancel) as backend:
            for done, picture in enumerate(images):
                check_cancelled(cancel)
                report(progress, "reading", done, len(images), "pictures")
                found.append(backend.read(read_image(picture, limits=self.limits), cancel=cancel))
        report(progress, "reading", len(images), len(images), "pictures")
        return found if several else found[0]

    @checked
    def shows_writing(
        self,
        image: ImageSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> bool:
        """Tell whether writing is seen in a picture at a glance, in a fraction of the time that reading takes.

        Looks at the picture with 320 pixels along its longer side, so that small writing isn't seen; and now and then
        something else is taken for writing, in which ``read`` then finds none.

        Args:
            image: A picture.
            progress: Told what is fetched and loaded.
            cancel: Stops before the glance.

        Raises:
            InputError: The picture can't be read as a picture.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        with self.lease(progress=progress, cancel=cancel) as backend:
            check_cancelled(cancel)
            return backend.shows_writing(read_image(image, limits=self.limits))
