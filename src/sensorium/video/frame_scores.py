"""What a classifier says of a film's frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.models.checkpoint import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.video.film import Film
from sensorium.video.sampled_frames import SampledFrames, seconds_between

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.nudity import NudityDetector


@dataclass(frozen=True)
class FrameScores(SampledFrames):
    """The probability that a classifier gives each frame.

    Attributes:
        values: For each frame, from 0 to 1.
        checkpoint: Who judged.
    """

    values: tuple[float, ...]
    checkpoint: Checkpoint


def score_frames(
    film: Film,
    detector: NudityDetector,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> FrameScores:
    """Judge one frame per second, or 1800 frames if the film is longer than half an hour.

    Args:
        film: The film.
        detector: Who judges.
        progress: Told the frames judged.
        cancel: Stops at the next frame.

    Raises:
        InputError: The file is no film or has no frames.
        CancelledError: ``cancel`` was set.
    """
    duration = film.probe().duration
    step = seconds_between(duration)
    times: list[float] = []
    values: list[float] = []
    total = max(1, round(duration / step))
    with detector.lease(progress=progress, cancel=cancel) as backend:
        for frame in film.frames(every=step, minimum_side=backend.resized_side, cancel=cancel):
            times.append(frame.time)
            values.append(backend.score(frame.image))
            report(progress, "looking", min(len(times), total), total, "frames")
    return FrameScores(tuple(times), step, duration, tuple(values), detector.checkpoint)


def score_picture(source: ImageSource, detector: NudityDetector) -> FrameScores:
    """Judge a picture as if it were a film of one frame.

    Raises:
        InputError: The picture can't be read.
    """
    return FrameScores((0.0,), 0.0, 0.0, (detector.score(source),), detector.checkpoint)
