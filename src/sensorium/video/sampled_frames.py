"""Frames that were looked at, and which part of the film each stands for."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_FRAMES = 1800


@dataclass(frozen=True)
class SampledFrames:
    """When the frames that were looked at appear.

    Attributes:
        times: When each frame appears, in seconds.
        step: Seconds from one frame to the next.
        duration: Length of the film, in seconds.
    """

    times: tuple[float, ...]
    step: float
    duration: float

    def stretch(self, first: int, last: int) -> tuple[float, float]:
        """Return start and end, in seconds, of the part of the film that the frames ``first`` to ``last`` stand for."""
        end = self.times[last + 1] if last + 1 < len(self.times) else self.duration
        return round(self.times[first], 2), round(max(end, self.times[last]), 2)


def seconds_between(duration: float) -> float:
    """Return how far apart frames are taken: a second, or more if a film of ``duration`` seconds had over 1800."""
    return max(1.0, duration / _MOST_FRAMES)
