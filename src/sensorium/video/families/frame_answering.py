"""What models that see frames have in common: choosing frames, transcribing the sound, telling the frames' times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.media.video import VideoFrame, VideoInfo
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.task import Opening
from sensorium.video.parts import Parts
from sensorium.video.video_prompt import DESCRIBE, moments_named, times_told, words_told
from sensorium.video.video_story import listen
from sensorium.vision_language.image_qa import AnswerOptions

if TYPE_CHECKING:
    from sensorium.video.film import Film

LONGEST_ANSWER = 512
MOST_PICTURES = 16
"""How many frames a model that reads pictures is shown, if the caller gives no number."""
FRAME_SIDE = 512
"""Frames are shrunk to this many pixels on the shorter side: these models see no finer detail."""


class FrameAnswerer(ABC):
    """Answers questions about a film. The model sees frames, and the transcript if there is a speech recogniser.

    Args:
        name: Name of the checkpoint.
        parts: How many frames are looked at, and the speech recogniser, if there is one.
        opening: How the speech recogniser is opened.
    """

    made_of_parts = True
    frames_are: str = "frames"
    """What the frames are for the model: "frames" of a film, or "pictures"."""
    tells_times: bool
    """Whether the model learns the frames' times from its own inputs. If not, the question tells the times in words."""

    def __init__(self, name: str, *, parts: Parts, opening: Opening) -> None:
        self._name = name
        self._num_frames = parts.num_frames
        self._speech = opening.part(SpeechToText, parts.speech) if parts.speech else None

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
        info = film.probe()
        frames = self._frames(film, info, progress, cancel)
        facts = [] if self.tells_times else [times_told(frames, info.duration, self.frames_are)]
        if self._speech is not None:
            facts.append(words_told(listen(film, info, self._speech, progress=progress, cancel=cancel)[0]))
        text = "\n".join([*filter(None, facts), question])
        written = self.write_about(film, info, frames, text, options=options, progress=progress, cancel=cancel)
        heard = f" ({self._speech.model})" if self._speech is not None and info.has_audio else ""
        return written.changed(model=f"{self._name}{heard}", evidence=moments_named(written, info.duration))

    def describe(
        self, film: Film, *, options: AnswerOptions, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Answer:
        """Tell what happens in a film."""
        return self.answer(film, DESCRIBE, options=options, progress=progress, cancel=cancel)

    def write_about(
        self,
        film: Film,
        info: VideoInfo,
        frames: Sequence[VideoFrame],
        text: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Return what the model writes about a film; a model that hears reads its sound, too."""
        return self.write(frames, info.duration, text, options=options, progress=progress, cancel=cancel)

    @abstractmethod
    def frame_count(self, film: Film, info: VideoInfo) -> int:
        """Return the number of frames that suits a film and the model."""

    @abstractmethod
    def write(
        self,
        frames: Sequence[VideoFrame],
        duration: float,
        text: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Return what the model writes about frames."""

    def _frames(
        self, film: Film, info: VideoInfo, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> list[VideoFrame]:
        count = self._num_frames or self.frame_count(film, info)
        frames = []
        for frame in film.frames(count, minimum_side=FRAME_SIDE, cancel=cancel):
            check_cancelled(cancel)
            frames.append(frame)
            report(progress, "looking", len(frames), count, "frames")
        return frames
