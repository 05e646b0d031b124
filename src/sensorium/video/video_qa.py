"""Questions about a film: ``VideoQA``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from sensorium.answer import Answer
from sensorium.errors import InputError
from sensorium.language.written_language import require_language
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.video.video_story import Moment


class VideoAnswerer(Protocol):
    """What each family of checkpoints offers to `VideoQA`."""

    def answer(
        self, video: MediaSource, question: str, *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Answer:
        """Answer one question about a film."""

    def describe(self, video: MediaSource, *, progress: ProgressCallback | None, cancel: Cancellation | None) -> Answer:
        """Tell what happens in a film, with timestamps."""

    def moments(
        self, video: MediaSource, *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> list[Moment]:
        """Return a film's key moments, in the order of time."""


class VideoQA(Task["VideoAnswerer"]):
    """Answers questions about a film from its pictures and its sound track.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
    """

    task: ClassVar[str] = "video-question-answering"
    families: ClassVar[Mapping[str, str]] = {"socratic": "sensorium.video.socratic_video:SocraticVideoQA"}

    def answer_video_question(
        self,
        video_path: MediaSource,
        question: str,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer a question about a film.

        The film is looked at once; further questions about the same file are answered from memory.

        Args:
            video_path: Any film that FFmpeg reads: path, address, bytes, open file.
            question: What to find out, such as "When does the dog appear?" or "What is said?".
            progress: Told the frames seen and the seconds heard so far.
            cancel: Stops at the next frame, sentence or token.

        Returns:
            The answer, which names the times that it rests on; ``evidence`` carries them as ``start`` and ``end``.

        Raises:
            InputError: The question is empty, or the file is no film or has no frames.
            UnsupportedError: The checkpoint doesn't know the language of the question.
            CancelledError: ``cancel`` was set.
        """
        if not isinstance(question, str) or not question.strip():
            raise InputError("The question is empty", "Write what you want to know about the film")
        require_language(question, self.checkpoint, what="question")
        self.load(progress=progress, cancel=cancel)
        return self.backend.answer(video_path, question.strip(), progress=progress, cancel=cancel)

    def describe(
        self,
        video_path: MediaSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Tell what is seen and said in a film, one line a moment, each with its time.

        Args:
            video_path: Any film that FFmpeg reads.
            progress: Told the frames seen and the seconds heard so far.
            cancel: Stops at the next frame or sentence.

        Returns:
            The description; ``evidence`` carries each moment and sentence with ``start`` and ``end``.

        Raises:
            InputError: The file is no film or has no frames.
            CancelledError: ``cancel`` was set.
        """
        self.load(progress=progress, cancel=cancel)
        return self.backend.describe(video_path, progress=progress, cancel=cancel)

    def moments(
        self,
        video_path: MediaSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Moment]:
        """Return a film's key moments: what is seen from when to when.

        Raises:
            InputError: The file is no film or has no frames.
            CancelledError: ``cancel`` was set.
        """
        self.load(progress=progress, cancel=cancel)
        return self.backend.moments(video_path, progress=progress, cancel=cancel)
