"""Where the scenes of a film begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sensorium.media.frame_reader import FrameReader, TimedFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUT = 0.09
"""Strength of a change, from 0 to 1, from which two frames in a row belong to different scenes. In real films cuts
measure 0.13 and more, a walking crowd 0.01, a camera swinging past a tree 0.055."""

DRIFT = 0.22
"""Strength of the difference to a scene's first frame from which, once it lasts, another scene has been reached
without a cut: a dissolve, a fade, a camera that turned away."""

_LASTING = 0.5
"""Seconds for which such a difference must last, and the shortest scene: whatever is shorter is a flash."""

_WIDTH, _HEIGHT = 48, 27


class _Sketch:
    """What little of a frame decides whether it belongs to a scene."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        import numpy as np

        self.pixels = pixels.astype(np.float32) / 255
        levels = (pixels >> 4).astype(np.intp) + np.array([0, 16, 32])
        self.colours = np.bincount(levels.ravel(), minlength=48) / pixels.size

    def pixel_change(self, other: _Sketch) -> float:
        import numpy as np

        return float(np.abs(self.pixels - other.pixels).mean())

    def colour_change(self, other: _Sketch) -> float:
        import numpy as np

        return float(np.abs(self.colours - other.colours).sum()) / 2


def find_scenes(reader: FrameReader, first: int, last: int) -> Iterator[tuple[TimedFrame, float]]:
    """Find where scenes begin, from one frame to another.

    Frames are compared as 48x27 pictures. The strength of a change is the geometric mean of two figures, so that
    neither a moving camera (same colours) nor a lamp (same places) counts as a cut: the change of pixels, less what
    changed just before, and the change of the colour histogram.

    Args:
        reader: The film.
        first: Timestamp of the first frame to look at.
        last: Timestamp of the last one.

    Yields:
        The first frame of each scene, with the strength of the change that it brings; 1.0 for the very first.
    """
    opening: _Sketch | None = None
    before: _Sketch | None = None
    moved = 0.0
    opened = drifting = 0
    lasting = round(_LASTING / reader.tick)
    sketch_of = _sketcher()
    for frame in reader.frames(first, last):
        sketch = sketch_of(frame.frame)
        if opening is None or before is None:
            opening = before = sketch
            opened = drifting = frame.ticks
            yield frame, 1.0
            continue
        change = sketch.pixel_change(before)
        cut = (min(change, abs(change - moved)) * sketch.colour_change(before)) ** 0.5
        drift = (sketch.pixel_change(opening) * sketch.colour_change(opening)) ** 0.5
        before, moved = sketch, change
        if drift < DRIFT:
            drifting = frame.ticks
        strength = cut if cut >= CUT else drift if frame.ticks - drifting >= lasting else 0.0
        if strength and frame.ticks - opened >= lasting:
            opening = sketch
            opened = drifting = frame.ticks
            yield frame, strength


def _sketcher() -> Any:
    from av.video.reformatter import Interpolation, VideoReformatter

    reformatter = VideoReformatter()

    def sketch_of(frame: Any) -> _Sketch:
        small = reformatter.reformat(
            frame, width=_WIDTH, height=_HEIGHT, format="rgb24", interpolation=Interpolation.AREA, threads=1
        )
        return _Sketch(small.to_ndarray())

    return sketch_of
