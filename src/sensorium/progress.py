"""What long calls tell while they run, and how they are cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from sensorium.errors import CancelledError

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True)
class Progress:
    """One report of a running call.

    Attributes:
        stage: What is being done, in a few words ("fetching whisper-base", "transcribing").
        done: How much of it is done, in ``unit``.
        total: How much there is in all, or None where nobody can know yet.
        unit: What is counted ("seconds", "bytes", "files", "steps", "tokens").
    """

    stage: str
    done: float
    total: float | None = None
    unit: str = "steps"


@dataclass(frozen=True)
class Preview:
    """How far a painting is.

    Attributes:
        image: A small, rough picture.
        step: The number of the step after which it was made, counted over all pictures of the call.
    """

    image: PIL.Image.Image
    step: int


@dataclass(frozen=True)
class Finished:
    """A part of the result that is complete, given out at once so that it isn't lost if a later part fails.

    Attributes:
        result: One of those that the call will return in the end, such as a `GeneratedImage`.
    """

    result: Any


@dataclass(frozen=True)
class Note:
    """What the caller should know, while there is still time to stop.

    Attributes:
        text: One sentence.
    """

    text: str


@dataclass(frozen=True)
class Piece:
    """A piece of a text that is being written; all of them together are the text.

    Attributes:
        text: Some words, or a part of one.
    """

    text: str


@dataclass(frozen=True)
class Sound:
    """A piece of encoded sound; all of them together are a file that can be played while it grows.

    Attributes:
        data: Some bytes of it.
        media_type: Of the whole, such as ``"audio/mpeg"``.
    """

    data: bytes
    media_type: str


Event: TypeAlias = Progress | Preview | Finished | Note | Piece | Sound
"""What a running call tells; tell them apart with ``match`` or ``isinstance``."""

EventCallback: TypeAlias = Callable[[Event], None]
"""Called with each `Event` as it happens, in the thread that works; must return quickly.

It is a `ProgressCallback` too: calls that have nothing but progress to tell take it as their ``progress=``, and those
that have more take it as ``report=``. So whoever runs calls has one stream of events::

    def report(event: Event) -> None:
        match event:
            case Progress():
                bar.update(event.done, event.total)
            case Finished(result=picture):
                picture.save(...)

    SpeechToText().transcribe("talk.wav", progress=report)
    TextToImage().generate("a red house", report=report)
"""

ProgressCallback: TypeAlias = Callable[[Progress], None]
"""Called from time to time with a `Progress`; must return quickly."""


class Cancellation(Protocol):
    """What stops a call: once it is set, the call that was given it ends with `CancelledError`.

    A ``threading.Event`` is one, to be set from any thread. So is any other object with this method.
    """

    def is_set(self) -> bool:
        """Return whether the call is to stop. Asked often, from any thread; must return quickly."""


def all_events(progress: ProgressCallback | None, report: EventCallback | None) -> EventCallback | None:
    """Return one callback for the two that a caller may give: ``report`` gets all events, ``progress`` its own kind."""
    if progress is None or report is None:
        return report if progress is None else lambda event: _tell(progress, event)

    def both(event: Event) -> None:
        report(event)
        _tell(progress, event)

    return both


def _tell(progress: ProgressCallback, event: Event) -> None:
    if isinstance(event, Progress):
        progress(event)


def report(callback: ProgressCallback | None, stage: str, done: float, total: float | None, unit: str) -> None:
    """Report progress to ``callback``, if there is one."""
    if callback is not None:
        callback(Progress(stage, done, total, unit))


def check_cancelled(cancel: Cancellation | None) -> None:
    """Raise `CancelledError` if ``cancel`` is set."""
    if cancel is not None and cancel.is_set():
        raise CancelledError("The job was cancelled")
