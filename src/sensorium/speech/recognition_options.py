"""What is asked of a recogniser, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.language.written_language import require_characters
from sensorium.media.track_choice import TrackName, require_track
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.text.languages import language_code

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.speech.recorded_sound import AudioSource

TASKS = ("transcribe", "translate")


@dataclass(frozen=True)
class RecognitionOptions:
    """What is asked of the recogniser.

    Attributes:
        language: Code of the language that is spoken; None to detect it, window by window.
        task: ``"transcribe"`` or ``"translate"``.
        word_timestamps: Whether segments list their words with times.
        segment_timestamps: Whether each sentence is a segment with times of its own.
        initial_prompt: Text in whose style and spelling to go on.
        hotwords: Words to expect.
        languages: Codes of the languages that may be spoken; any if empty.
        track: The sound track that is heard, by its number or language; None to choose one.
        first_soon: Whether somebody waits for the first segment: then it comes after one window, if the language is
            known, rather than after a batch of windows.
        voices: Reference recordings of speakers, by name; None if speakers aren't told apart.
    """

    language: str | None
    task: str
    word_timestamps: bool = False
    segment_timestamps: bool = True
    initial_prompt: str | None = None
    hotwords: str | None = None
    languages: tuple[str, ...] = ()
    track: TrackName | None = None
    first_soon: bool = False
    voices: Mapping[str, MediaSource] | None = None


@dataclass(frozen=True)
class Recording:
    """One of the recordings of `SpeechToText.transcribe_together`; its attributes are the arguments of `transcribe`."""

    audio: AudioSource
    language: str | None = None
    task: str = "transcribe"
    word_timestamps: bool = False
    segment_timestamps: bool = True
    initial_prompt: str | None = None
    hotwords: str | None = None
    languages: Sequence[str] = ()
    track: int | str | None = None
    progress: ProgressCallback | None = None
    cancel: Cancellation | None = None

    @property
    def options(self) -> RecognitionOptions:
        """What is asked of the recogniser.

        Raises:
            InputError: The language or the task is unknown.
        """
        return recognition_options(
            self.language,
            self.task,
            self.word_timestamps,
            self.segment_timestamps,
            self.initial_prompt,
            self.hotwords,
            self.languages,
            self.track,
        )


def recognition_options(
    language: str | None,
    task: str,
    word_timestamps: bool,
    segment_timestamps: bool,
    initial_prompt: str | None,
    hotwords: str | None,
    languages: Sequence[str],
    track: int | str | None,
) -> RecognitionOptions:
    """Return what the arguments of `SpeechToText.transcribe` ask of a recogniser.

    Raises:
        InputError: The language, the task or the track is unknown, or a text holds characters that are not valid.
    """
    if task not in TASKS:
        raise InputError(f"There is no task {task!r} for speech", f"Use {' or '.join(map(repr, TASKS))}")
    require_characters(initial_prompt or "", what="initial prompt")
    require_characters(hotwords or "", what="list of hotwords")
    code = None if language is None else language_code(language)
    candidates = tuple(language_code(each) for each in languages)
    return RecognitionOptions(
        code,
        task,
        word_timestamps,
        segment_timestamps,
        initial_prompt,
        hotwords,
        candidates if code is None else (),
        require_track(track),
    )
