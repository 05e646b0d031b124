"""The methods that `VideoQA` calls on the backends of its families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sensorium.answer import Answer
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.video.film import Film
from sensorium.video.results import VideoClassification
from sensorium.vision_language.image_qa import AnswerOptions

if TYPE_CHECKING:
    from sensorium.video.video_story import Moment


class VideoAnswerer(Protocol):
    """The methods that every backend of `VideoQA` has."""

    def answer(
        self,
        film: Film,
        question: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Answer one question about a film."""

    def describe(
        self, film: Film, *, options: AnswerOptions, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Answer:
        """Tell what happens in a film, with timestamps; the options are for a model that does so in its own words."""


@runtime_checkable
class MomentLister(Protocol):
    """The method of backends that look at a film moment by moment."""

    def moments(self, film: Film, *, progress: ProgressCallback | None, cancel: Cancellation | None) -> list[Moment]:
        """Return a film's key moments, in the order of time."""


@runtime_checkable
class ActionNamer(Protocol):
    """The method of backends that were trained to name actions."""

    def actions(
        self, film: Film, *, top_k: int, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> VideoClassification:
        """Name what is done in a film, stretch by stretch."""
