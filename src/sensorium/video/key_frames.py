"""The frames that represent a film: evenly spread over the film, and where the scene changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sensorium.media.video import VideoFrame, VideoInfo

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from sensorium.video.film import Film

_FEWEST_FRAMES, _MOST_FRAMES = 16, 48
_SECONDS_A_FRAME = 10.0
_MOST_SCENES = 16
_LONGEST_FOR_SCENES = 900.0
"""Seconds. Finding scenes decodes the whole film, which takes too long for longer films."""
_FRAME_SIDE = 512
_SAME_PICTURE = 0.012


def key_frames(
    film: Film, info: VideoInfo, num_frames: int | None = None, *, minimum_side: int = _FRAME_SIDE
) -> list[VideoFrame]:
    """Return one frame every ten seconds (16 to 48 frames), and the first frames of up to 16 scenes.

    In a film longer than 15 minutes, scenes are not looked for.

    Args:
        film: The film.
        info: What `Film.probe` returned.
        num_frames: If given, return this number of evenly spread frames instead.
        minimum_side: How many pixels the shorter side of a frame has, if the film has them.

    Raises:
        InputError: The file is no film or has no frames.
    """
    if num_frames is not None:
        frames = {frame.time: frame for frame in film.frames(num_frames, minimum_side=minimum_side)}
        return [frames[time] for time in sorted(frames)]
    count = min(_MOST_FRAMES, max(_FEWEST_FRAMES, round(info.duration / _SECONDS_A_FRAME)))
    frames = {frame.time: frame for frame in film.frames(count, minimum_side=minimum_side)}
    if info.duration <= _LONGEST_FOR_SCENES:
        for frame in film.frames(_MOST_SCENES, scenes=True, minimum_side=minimum_side):
            frames.setdefault(frame.time, frame)
    return [frames[time] for time in sorted(frames)]


def new_looking(frames: Sequence[VideoFrame]) -> list[bool]:
    """Return for each frame whether it looks different from the frame before; the first frame counts as different."""
    new: list[bool] = []
    before: np.ndarray | None = None
    for frame in frames:
        sketch = _sketch(frame.image)
        new.append(before is None or float(abs(sketch - before).mean()) >= _SAME_PICTURE)
        before = sketch
    return new


def _sketch(image: PIL.Image.Image) -> np.ndarray:
    import numpy as np

    return np.asarray(image.convert("RGB").resize((32, 32)), dtype=np.float32) / 255
