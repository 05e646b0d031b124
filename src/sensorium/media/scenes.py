"""Where the scenes of a film begin."""

from __future__ import annotations

import math
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
"""Seconds for which such a difference must last, and the shortest scene: what is shorter is a flash, and no scene."""

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
    lasting = round(_LASTING / reader.tick)
    sketch_of = _sketcher()
    scene: _Scene | None = None
    left: _Scene | None = None  # the scene before, until it is sure that the new one lasts
    for frame in reader.frames(first, last):
        sketch = sketch_of(frame.frame)
        if scene is None:
            scene = _Scene(frame, 1.0, sketch)
            continue
        cut = scene.cut_to(sketch)
        if not scene.told and frame.ticks - scene.frame.ticks >= lasting:
            yield scene.frame, scene.strength
            scene.told, left = True, None
        if scene.drifted(sketch, frame.ticks) >= lasting and scene.told:
            left, scene = scene, _Scene(frame, scene.drift, sketch)
        elif cut < CUT:
            scene.follow(sketch)
        elif scene.told:
            left, scene = scene, _Scene(frame, cut, sketch)
        elif left is not None and left.cut_to(sketch) < CUT:
            left.follow(sketch)  # it was only a flash
            scene, left = left, None
        elif frame.ticks - scene.begun >= lasting:
            yield scene.frame, scene.strength  # one cut after the other: a quick slide show
            scene = _Scene(frame, cut, sketch)
        else:
            scene = _Scene(frame, max(cut, scene.strength), sketch, scene.begun)
    if scene is not None and not scene.told:
        yield scene.frame, scene.strength


class _Scene:
    """A scene that may have begun.

    Args:
        frame: Its first frame.
        strength: Of the change that brought it.
        sketch: Of its first frame.
        begun: When the flicker began that it may be a part of.
    """

    def __init__(self, frame: TimedFrame, strength: float, sketch: _Sketch, begun: int | None = None) -> None:
        self.frame = frame
        self.strength = strength
        self.begun = frame.ticks if begun is None else begun
        self.told = False
        self.drift = 0.0
        self._opening = self._latest = sketch
        self._moved = 0.0
        self._alike = frame.ticks

    def cut_to(self, sketch: _Sketch) -> float:
        """Return how strong a cut would be that leads from the latest frame to another one."""
        change = sketch.pixel_change(self._latest)
        return math.sqrt(min(change, abs(change - self._moved)) * sketch.colour_change(self._latest))

    def drifted(self, sketch: _Sketch, ticks: int) -> int:
        """Return for how long, in ticks, frames have been far from the first one."""
        self.drift = math.sqrt(sketch.pixel_change(self._opening) * sketch.colour_change(self._opening))
        if self.drift < DRIFT:
            self._alike = ticks
        return ticks - self._alike

    def follow(self, sketch: _Sketch) -> None:
        """Go on with the next frame."""
        self._moved = sketch.pixel_change(self._latest)
        self._latest = sketch


def _sketcher() -> Any:
    from av.video.reformatter import Interpolation, VideoReformatter

    reformatter = VideoReformatter()

    def sketch_of(frame: Any) -> _Sketch:
        small = reformatter.reformat(
            frame, width=_WIDTH, height=_HEIGHT, format="rgb24", interpolation=Interpolation.AREA, threads=1
        )
        return _Sketch(small.to_ndarray())

    return sketch_of
