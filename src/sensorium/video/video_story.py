"""What happens in a film: key moments with what is seen in them, and what is said, on one time line."""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.record import Record
from sensorium.vision_language.scene import Scene


@dataclass(frozen=True, eq=False, repr=False)
class Moment(Record):
    """A stretch of a film over which the same is seen.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        caption: What is seen, in a sentence.
        scene: The facts seen in its clearest frame.
    """

    start: float
    end: float
    caption: str
    scene: Scene
