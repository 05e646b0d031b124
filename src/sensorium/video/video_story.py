"""What happens in a film on one time line: what is seen, what is done and what is said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sensorium.answer import Evidence
from sensorium.media.video import VideoInfo
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.record import Record

if TYPE_CHECKING:
    from sensorium.speech.speech_to_text import SpeechToText
    from sensorium.video.film import Film

_TIME = re.compile(r"\b(?:(\d+):)?(\d{1,2}):(\d\d)\b")


@dataclass(frozen=True, eq=False, repr=False)
class Moment(Record):
    """A stretch of a film in which the picture stays about the same.

    Attributes:
        start: Where the moment begins, in seconds.
        end: Where the moment ends, in seconds.
        caption: What is seen, in a sentence or two.
        confidence: How sure the caption is, from 0 to 1; None if the model gives no confidence.
    """

    start: float
    end: float
    caption: str
    confidence: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Action(Record):
    """Something that is done over a stretch of a film.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        label: What is done.
        score: Probability of the action, from 0 to 1.
    """

    start: float
    end: float
    label: str
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class Sentence(Record):
    """Something that is said in a film.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        text: The words, in the language that is spoken.
    """

    start: float
    end: float
    text: str


AnyMoment = TypeVar("AnyMoment", bound=Moment)


@dataclass(frozen=True, eq=False, repr=False)
class VideoStory(Record, Generic[AnyMoment]):
    """A film on one time line.

    Attributes:
        duration: Seconds.
        moments: What is seen, in the order of time.
        actions: What is done, in the order of time; empty if no model looked for actions.
        sentences: What is said, in the order of time.
        has_audio: Whether there is a sound track.
        language: Code of the language that is spoken; "" if nothing is said.
        frames: How many frames were looked at.
    """

    duration: float
    moments: tuple[AnyMoment, ...]
    actions: tuple[Action, ...]
    sentences: tuple[Sentence, ...]
    has_audio: bool
    language: str
    frames: int

    def evidence(self) -> tuple[Evidence, ...]:
        """Return everything that is seen, done and said, in the order of time."""
        seen = [moment_evidence(moment) for moment in self.moments]
        done = [action_evidence(action) for action in self.actions]
        said = [sentence_evidence(sentence) for sentence in self.sentences]
        return tuple(sorted([*seen, *done, *said], key=lambda item: (item.start or 0.0, item.kind)))

    def text(self) -> str:
        """Return the time line in words, one line for each thing that is seen, done or said, with its time."""
        return "\n".join([*map(timed, self.evidence()), *self.about_sound()])

    def about_sound(self) -> list[str]:
        """Return one line that says why nothing is said; an empty list if something is said."""
        if not self.has_audio:
            return ["The film has no sound track."]
        return [] if self.sentences else ["Nothing is said."]


def clock(seconds: float | None) -> str:
    """Return a time as ``00:12`` or ``1:00:12``."""
    whole = round(seconds or 0.0)
    minutes, rest = divmod(whole, 60)
    return f"{minutes:02d}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def span(start: float | None, end: float | None) -> str:
    """Return a stretch of time as ``00:12-00:15``, or as one time if both ends round to the same second."""
    first, last = clock(start), clock(end)
    return first if first == last else f"{first}-{last}"


def times_in(text: str) -> list[float]:
    """Return the times, in seconds, that a text names in a player's form: ``00:12`` or ``1:00:12``."""
    return [
        int(hours or 0) * 3600.0 + int(minutes) * 60.0 + int(seconds) for hours, minutes, seconds in _TIME.findall(text)
    ]


def timed(item: Evidence) -> str:
    """Return the text of a piece of evidence with its time in front: ``[00:12-00:15] A cat.``"""
    return f"[{span(item.start, item.end)}] {item.text}"


def moment_evidence(moment: Moment) -> Evidence:
    """Return a moment as evidence for an answer."""
    return Evidence("frame", moment.caption, moment.confidence, moment.start, moment.end)


def action_evidence(action: Action) -> Evidence:
    """Return an action as evidence for an answer."""
    return Evidence("action", f"Action: {action.label}.", round(action.score, 3), action.start, action.end)


def sentence_evidence(sentence: Sentence) -> Evidence:
    """Return a sentence as evidence for an answer."""
    return Evidence("transcript", f'It is said: "{sentence.text}"', None, sentence.start, sentence.end)


def listen(
    film: Film,
    info: VideoInfo,
    speech: SpeechToText,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> tuple[tuple[Sentence, ...], str]:
    """Return the sentences that are said in a film, and the language's code; no sentences and "" if nothing is said.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    if not info.has_audio:
        return (), ""
    heard = speech.transcribe(film.source, track=film.track, progress=progress, cancel=cancel)
    for sentence in heard.warnings:
        film.warnings(sentence)
    sentences = tuple(Sentence(segment.start, segment.end, segment.text.strip()) for segment in heard.segments)
    return sentences, heard.language if sentences else ""
