"""A film's frames as vectors of an image-text encoder: computed once, then compared with any text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.video.film import Film

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows

_MOST_FRAMES = 1800


@dataclass(frozen=True)
class FrameEmbeddings:
    """The frames of a film as rows of a matrix.

    Attributes:
        times: When each frame appears, in seconds.
        rows: float32 ``[frames, d]``, each row of length 1.
        step: Seconds from one frame to the next.
        duration: Length of the film, in seconds.
    """

    times: tuple[float, ...]
    rows: Rows
    step: float
    duration: float

    def stretch(self, first: int, last: int) -> tuple[float, float]:
        """Return start and end, in seconds, of the part of the film that the frames ``first`` to ``last`` stand for."""
        end = self.times[last + 1] if last + 1 < len(self.times) else self.duration
        return round(self.times[first], 2), round(max(end, self.times[last]), 2)


def embed_frames(
    film: Film, clip: CLIP, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None
) -> FrameEmbeddings:
    """Encode one frame per second, or 1800 frames if the film is longer than half an hour.

    One batch of pictures is in memory at a time.

    Args:
        film: The film.
        clip: The encoder.
        progress: Told the frames encoded.
        cancel: Stops after the current batch.

    Raises:
        InputError: The file is no film or has no frames.
        CancelledError: ``cancel`` was set.
    """
    import numpy as np

    duration = film.probe().duration
    step = max(1.0, duration / _MOST_FRAMES)
    side = 2 * clip.backend.image_side
    times: list[float] = []

    def pictures() -> Iterator[PIL.Image.Image]:
        for frame in film.frames(every=step, minimum_side=side, cancel=cancel):
            times.append(frame.time)
            yield frame.image

    total = max(1, round(duration / step))
    rows = []
    for index, row in clip.encode_images(pictures(), cancel=cancel):
        rows.append(row)
        report(progress, "looking", min(index + 1, total), total, "frames")
    return FrameEmbeddings(tuple(times), np.stack(rows), step, duration)


def embed_picture(source: ImageSource, clip: CLIP) -> FrameEmbeddings:
    """Encode a picture as if it were a film of one frame.

    Raises:
        InputError: The picture can't be read.
    """
    return FrameEmbeddings((0.0,), clip.image_rows([source]), 0.0, 0.0)
