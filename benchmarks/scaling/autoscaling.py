"""How many replicas a model gets, decided as Ray Serve decides it (``ray.serve.autoscaling_policy``, 2.60)."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Autoscaling:
    """What Serve's ``AutoscalingConfig`` says, by its names; the defaults are those of ``sensorium serve --cluster``.

    Attributes:
        min_replicas: The fewest; 0 lets a model vanish.
        max_replicas: The most.
        target_ongoing_requests: How many requests shall wait or run for each replica.
        upscale_delay_s: For how long more must be needed before more are started.
        downscale_delay_s: For how long fewer must be needed before some are ended; also the last one.
        look_back_period_s: Over how long it is averaged how many requests wait and run.
    """

    min_replicas: int = 0
    max_replicas: int = 8
    target_ongoing_requests: float = 1.0
    upscale_delay_s: float = 5.0
    downscale_delay_s: float = 300.0
    look_back_period_s: float = 2.0


class Decision:
    """Decides for one model, again and again.

    Args:
        settings: By which it decides.
    """

    def __init__(self, settings: Autoscaling) -> None:
        self._settings = settings
        self._seen: deque[tuple[float, float]] = deque()
        self._since: float | None = None
        self._direction = 0
        self.target = settings.min_replicas

    @property
    def changes(self) -> bool:
        """Whether there may be more or fewer at times."""
        return self._settings.min_replicas != self._settings.max_replicas

    def decide(self, now: float, area: float, ongoing: int, running: int) -> int:
        """Return how many replicas there shall be.

        Args:
            now: In seconds.
            area: The integral over time, up to now, of how many requests waited and ran.
            ongoing: How many do now.
            running: How many replicas have started.
        """
        self._seen.append((now, area))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self._settings.look_back_period_s:
            self._seen.popleft()
        begun, before = self._seen[0]
        average = (area - before) / (now - begun) if now > begun else float(ongoing)
        if running == 0 and (average > 0 or ongoing > 0):
            self.target = max(1, self.target)  # at once: nobody serves
            return self.target
        wanted = math.ceil(average / self._settings.target_ongoing_requests)
        self._apply(now, min(max(wanted, self._settings.min_replicas), self._settings.max_replicas))
        return self.target

    def _apply(self, now: float, wanted: int) -> None:
        direction = (wanted > self.target) - (wanted < self.target)
        if direction != self._direction:
            self._direction, self._since = direction, now
        if direction == 0 or self._since is None:
            return
        delay = self._settings.upscale_delay_s if direction > 0 else self._settings.downscale_delay_s
        if now - self._since >= delay:
            # The last one goes only from one to none.
            self.target = max(1, wanted) if direction < 0 and self.target > 1 else wanted
            self._direction, self._since = 0, None
