"""Where the scenes of a film begin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sensorium.media.frame_colours import FrameColours
from sensorium.media.frame_reader import FrameReader, TimedFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUT = 0.09
"""Lowest strength of a change, from 0 to 1, at which two consecutive frames belong to different scenes. Measured in
real films: cuts 0.13 and more, a walking crowd 0.01, a camera that swings past a tree 0.055."""

DRIFT = 0.22
"""Lowest difference to a scene's first frame at which, if the difference lasts, a new scene has begun without a cut: by
a dissolve, a fade, or a camera that turned away."""

_LASTING = 0.5
"""Seconds for which that difference must last. It is also the length of the shortest scene: anything shorter is a
flash."""

_WIDTH, _HEIGHT = 48, 27


class _Sketch:
    """A frame's small picture and colour histogram, which decide whether the frame belongs to a scene."""

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

    Frames are compared as pictures of 48x27 pixels. The strength of a change is the geometric mean of two figures: the
    change of pixels minus the change just before, and the change of the colour histogram. So neither a moving camera
    (the colours stay) nor a lamp that is switched on (the places stay) counts as a cut.

    Args:
        reader: The film.
        first: Timestamp of the first frame to look at.
        last: Timestamp of the last frame to look at.

    Yields:
        The first frame of each scene, with the strength of the change at that frame; 1.0 for the very first frame.
    """
    lasting = round(_LASTING / reader.tick)
    colours = FrameColours(threads=1)
    scene: _Scene | None = None
    left: _Scene | None = None  # the previous scene, until the new scene has lasted long enough
    for frame in reader.frames(first, last):
        sketch = _Sketch(colours.rgb(frame.frame, _WIDTH, _HEIGHT))
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
    """A scene that has begun, unless it turns out to be only a flash.

    Args:
        frame: First frame of the scene.
        strength: Strength of the change at the first frame.
        sketch: Sketch of the first frame.
        begun: Timestamp where a series of quick cuts began, if the scene is part of one.
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
        """Return the strength of the change from the latest frame to another frame."""
        change = sketch.pixel_change(self._latest)
        return math.sqrt(min(change, abs(change - self._moved)) * sketch.colour_change(self._latest))

    def drifted(self, sketch: _Sketch, ticks: int) -> int:
        """Return for how long, in ticks, frames have been very different from the scene's first frame."""
        self.drift = math.sqrt(sketch.pixel_change(self._opening) * sketch.colour_change(self._opening))
        if self.drift < DRIFT:
            self._alike = ticks
        return ticks - self._alike

    def follow(self, sketch: _Sketch) -> None:
        """Add the next frame to the scene."""
        self._moved = sketch.pixel_change(self._latest)
        self._latest = sketch
