"""Watching a pipeline at work: progress, previews and cancellation, step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, Self

import torch

from sensorium.progress import Cancellation, EventCallback, check_cancelled, report


class WatchedSteps:
    """Watches a pipeline's scheduler, which every family asks once a step. Use it as a context manager.

    Args:
        pipeline: Its scheduler must be its own.
        num_images: How many pictures are painted, one after the other.
        tell: Told the steps done, of all pictures.
        cancel: Ends the pipeline's call between two steps.
        show: Given the latents after each step, with the number of the step.
    """

    def __init__(
        self,
        pipeline: Any,
        num_images: int,
        tell: EventCallback | None,
        cancel: Cancellation | None,
        show: Callable[[torch.Tensor, int], None] | None,
    ) -> None:
        self._pipeline, self._num_images = pipeline, num_images
        self._tell, self._cancel, self._show = tell, cancel, show
        self._image, self._step = -1, 0
        self._prior: Any = pipeline.components.get("prior_scheduler")
        """Of a painter of two halves. Its steps aren't counted; calls end between them, too."""

    def __enter__(self) -> Self:
        scheduler = self._pipeline.scheduler
        scheduler.step = self._watched(scheduler.step)
        if self._prior is not None:
            self._prior.step = self._cancellable(self._prior.step)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The scheduler would refer to itself, and keep the weights in memory after their last user has gone.
        del self._pipeline.scheduler.step
        if self._prior is not None:
            del self._prior.step

    def begin(self) -> None:
        """Start to count the steps of the next picture."""
        self._image, self._step = self._image + 1, 0

    def _watched(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)  # pipelines look at its signature
        def watched(*args: Any, **kwargs: Any) -> Any:
            result = step(*args, **kwargs)
            self._step += 1
            self._after_step(result[0] if isinstance(result, tuple) else result.prev_sample)
            return result

        return watched

    def _cancellable(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def cancellable(*args: Any, **kwargs: Any) -> Any:
            check_cancelled(self._cancel)
            return step(*args, **kwargs)

        return cancellable

    def _after_step(self, latents: torch.Tensor) -> None:
        check_cancelled(self._cancel)
        known = getattr(self._pipeline, "num_timesteps", None)
        of_each = max(known if isinstance(known, int) else len(self._pipeline.scheduler.timesteps), self._step)
        done = self._image * of_each + self._step
        report(self._tell, "painting", done, self._num_images * of_each, "steps")
        if self._show is not None:
            self._show(latents[:1], done)
