"""A film's frames as vectors of an image-text encoder: computed once, then compared with any text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.video.film import Film
from sensorium.video.sampled_frames import SampledFrames, seconds_between

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows


@dataclass(frozen=True)
class FrameEmbeddings(SampledFrames):
    """The frames of a film as rows of a matrix.

    Attributes:
        rows: float32 ``[frames, d]``, each row of length 1.
    """

    rows: Rows


def embed_frames(
    film: Film,
    clip: CLIP,
    *,
    beside: Callable[[PIL.Image.Image], object] | None = None,
    minimum_side: int = 0,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> FrameEmbeddings:
    """Encode one frame per second, or 1800 frames if the film is longer than half an hour.

    One batch of pictures is in memory at a time.

    Args:
        film: The film.
        clip: The encoder.
        beside: Called with each frame: who else looks at them saves a second decoding of the film.
        minimum_side: How many pixels ``beside`` needs at the shorter side.
        progress: Told the frames encoded.
        cancel: Stops after the current batch.

    Raises:
        InputError: The file is no film or has no frames.
        CancelledError: ``cancel`` was set.
    """
    import numpy as np

    duration = film.probe().duration
    step = seconds_between(duration)
    side = max(2 * clip.backend.image_side, minimum_side)
    times: list[float] = []

    def pictures() -> Iterator[PIL.Image.Image]:
        for frame in film.frames(every=step, minimum_side=side, cancel=cancel):
            times.append(frame.time)
            if beside is not None:
                beside(frame.image)
            yield frame.image

    total = max(1, round(duration / step))
    rows = []
    for index, row in clip.encode_images(pictures(), cancel=cancel):
        rows.append(row)
        report(progress, "looking", min(index + 1, total), total, "frames")
    return FrameEmbeddings(tuple(times), step, duration, np.stack(rows))


def embed_picture(source: ImageSource, clip: CLIP) -> FrameEmbeddings:
    """Encode a picture as if it were a film of one frame.

    Raises:
        InputError: The picture can't be read.
    """
    return FrameEmbeddings((0.0,), 0.0, 0.0, clip.image_rows([source]))
