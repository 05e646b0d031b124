"""Speech to text: `SpeechToText`, with timestamps, translation to English and subtitles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sensorium.media.source import MediaSource
from sensorium.media.subtitles import Word, layout_cues, write_subtitles
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.record import Record
from sensorium.task import Task

if TYPE_CHECKING:
    from sensorium.speech.whisper_ctranslate2 import CTranslate2Whisper


@dataclass(frozen=True, eq=False, repr=False)
class Segment(Record):
    """A sentence or phrase of a recording.

    Attributes:
        id: Its number, from 0.
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        text: What is said.
        words: Its words with their times; empty unless word timestamps were asked for.
    """

    id: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Transcription(Record):
    """What is said in a recording.

    Attributes:
        text: All of it; "" where nobody speaks.
        language: Language code, such as ``"en"``.
        language_probability: How sure the detection is, from 0 to 1; 1 if the caller named the language.
        duration: Length of the recording, in seconds.
        segments: Sentences and phrases with their times.
        task: ``"transcribe"`` or ``"translate"``.
        model: Name of the checkpoint.
    """

    text: str
    language: str
    language_probability: float
    duration: float
    segments: tuple[Segment, ...]
    task: str
    model: str


class SpeechToText(Task["CTranslate2Whisper"]):
    """Whisper: speech recognition in about a hundred languages.

    Args:
        model_size: ``"tiny"``, ``"base"``, ``"small"``, ``"medium"``, ``"large"``, ``"turbo"``, another catalog
            name, a hub id, a local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        dtype: ``"auto"`` is int8 on a CPU and float16 on a GPU.
    """

    task = "speech-to-text"
    families: ClassVar = {"whisper-ctranslate2": "sensorium.speech.whisper_ctranslate2:CTranslate2Whisper"}

    def __init__(
        self, model_size: str | os.PathLike[str] | None = None, *, device: str = "auto", dtype: str = "auto"
    ) -> None:
        super().__init__(model_size, device=device, dtype=dtype)

    def transcribe(
        self,
        audio_path: MediaSource,
        language: str | None = None,
        task: str = "transcribe",
        *,
        word_timestamps: bool = False,
        initial_prompt: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Transcription:
        """Return what is said in a recording or in the sound track of a film."""
        from sensorium.media.audio import read_audio

        samples = read_audio(audio_path)
        found, info = self.backend.batched.transcribe(
            samples, language=language, task=task, word_timestamps=word_timestamps, without_timestamps=False
        )
        segments = tuple(
            Segment(
                number,
                segment.start,
                segment.end,
                segment.text.strip(),
                tuple(Word(word.start, word.end, word.word, word.probability) for word in segment.words or ()),
            )
            for number, segment in enumerate(found)
        )
        return Transcription(
            " ".join(segment.text for segment in segments),
            info.language,
            info.language_probability,
            info.duration,
            segments,
            task,
            self.model,
        )

    def stream(
        self,
        audio_path: MediaSource,
        language: str | None = None,
        task: str = "transcribe",
        *,
        word_timestamps: bool = False,
        initial_prompt: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[Segment]:
        """Yield segments as they are recognised; memory stays flat however long the recording is."""
        yield from self.transcribe(
            audio_path, language, task, word_timestamps=word_timestamps, progress=progress, cancel=cancel
        ).segments

    def transcribe_with_timestamps(
        self,
        audio_path: MediaSource,
        language: str | None = None,
        task: str = "transcribe",
        *,
        word_timestamps: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Segment]:
        """Return the segments of a recording with their times."""
        return list(
            self.stream(audio_path, language, task, word_timestamps=word_timestamps, progress=progress, cancel=cancel)
        )

    def generate_srt(
        self,
        audio_path: MediaSource,
        output_path: str | os.PathLike[str],
        language: str | None = None,
        task: str = "transcribe",
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Path:
        """Write an SRT subtitle file, laid out for reading; return its path."""
        return self.generate_subtitles(
            audio_path, output_path, language, task, format="srt", progress=progress, cancel=cancel
        )

    def generate_subtitles(
        self,
        audio_path: MediaSource,
        output_path: str | os.PathLike[str],
        language: str | None = None,
        task: str = "transcribe",
        *,
        format: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Path:
        """Write subtitles as SRT, VTT, TXT, TSV or JSON, by ``format`` or the file's suffix; return the path."""
        result = self.transcribe(audio_path, language, task, word_timestamps=True, progress=progress, cancel=cancel)
        return write_subtitles(layout_cues(result.segments, language=result.language), output_path, format)
