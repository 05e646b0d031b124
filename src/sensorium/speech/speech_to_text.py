"""Speech to text: `SpeechToText`, with timestamps, translation to English and subtitles."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from sensorium.arguments import checked
from sensorium.errors import SensoriumError, UnsupportedError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.container import WarningCallback, warn
from sensorium.media.separate_files import require_separate
from sensorium.media.subtitles import subtitle_format, write_subtitles
from sensorium.media.track_choice import require_track
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.speech.alignment import AlignerPart, Beside
from sensorium.speech.hearing_checkpoints import named_aligner
from sensorium.speech.recogniser import Recogniser
from sensorium.speech.recognising_checkpoints import RecognisingTask
from sensorium.speech.recognition import RecognitionRun
from sensorium.speech.recognition_options import RecognitionOptions, recognition_options
from sensorium.speech.recognition_options import Recording as Recording
from sensorium.speech.recognition_together import Outcome, transcribe_together
from sensorium.speech.speaker_diarization import SpeakerDiarization
from sensorium.speech.subtitle_cues import subtitle_cues
from sensorium.speech.transcription import DetectedLanguage as DetectedLanguage
from sensorium.speech.transcription import Segment as Segment
from sensorium.speech.transcription import Transcription as Transcription
from sensorium.speech.who_speaks import require_voices
from sensorium.streaming import ResultStream
from sensorium.task import TaskOptions

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.speech.recognition import AudioSource


class SpeechToText(RecognisingTask):
    """Whisper: speech recognition in about a hundred languages (Radford et al. 2022).

    Args:
        model_size: ``"tiny"``, ``"base"``, ``"small"``, ``"medium"``, ``"large"``, ``"turbo"``, another catalog
            name, a hub id, a local folder (for CTranslate2 or transformers), or None for the profile's default.
            Models that see and hear (Gemma 4 E2B and E4B, Qwen-Omni) are asked to write down what is said.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        aligner: What tells when words are spoken where the checkpoint writes text alone: a Whisper, or a forced aligner
            such as ``"Qwen/Qwen3-ForcedAligner-0.6B-hf"``; None for the starter's Whisper. Whispers, transducers and
            checkpoints trained by CTC need none.
        diarizer: What tells speakers apart, where that is asked for: see `SpeakerDiarization`; None for the profile's.
        dtype: ``"auto"`` is int8 on a CPU and float16 on a GPU; else ``"int8"``, ``"float32"``, ``"float16"``,
            ``"bfloat16"``, ``"int8_float16"``.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known, or no aligner of that name.
    """

    @checked
    def __init__(
        self,
        model_size: str | os.PathLike[str] | None = None,
        *,
        aligner: str | os.PathLike[str] | None = None,
        diarizer: str | os.PathLike[str] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(model_size, **options)
        name = None if aligner is None else os.fspath(aligner)
        if name is not None:
            named_aligner(name)  # a wrong name is told also where the recogniser needs none
        self._beside = AlignerPart(partial(self.opening.part, SpeechToText), name)
        self._diarizer = None if diarizer is None else os.fspath(diarizer)
        self._diarization: SpeakerDiarization | None = None

    @checked
    def transcribe(
        self,
        audio_path: AudioSource,
        language: str | None = None,
        task: str = "transcribe",
        *,
        word_timestamps: bool = False,
        segment_timestamps: bool = True,
        initial_prompt: str | None = None,
        hotwords: str | None = None,
        languages: Sequence[str] = (),
        speakers: bool = False,
        voices: Mapping[str, MediaSource] | None = None,
        track: int | str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Transcription:
        """Write down what is said in a recording or in the sound track of a film.

        Args:
            audio_path: Path, address, data URI, bytes or open file, of any length and in any format that FFmpeg
                reads; or float32 mono samples at 16 kHz.
            language: The language that is spoken: code, locale or English name, and it holds all through; None to
                detect it, also where it changes.
            task: ``"transcribe"``, or ``"translate"`` into English.
            word_timestamps: Whether segments list their words with times.
            segment_timestamps: Whether each sentence is a segment with times of its own. Without, a segment is up to 28
                seconds of speech with the times of its beginning and end, which takes less work: for who wants text.
            initial_prompt: Text in whose style and spelling the transcription goes on.
            hotwords: Names and terms to expect.
            languages: The languages that may be spoken, where ``language`` is to be detected; any if empty.
            speakers: Whether to tell who says what. Segments end where the speaker changes. A word is said by whoever
                speaks longest during it; if that is several people, by whoever of them said the word before; if it is
                nobody, by whoever speaks soonest before or after it.
            voices: Reference recordings, by the name of who speaks in each; they give speakers their names. Others are
                called by letters. See `SpeakerDiarization.diarize`.
            track: Which sound track of a film is heard: its number, from 1, or the language that it is marked with. By
                default one of the language that is spoken, or else one in which somebody speaks.
            progress: Told the seconds of sound done.
            cancel: Stops the work.

        Returns:
            The text, its segments, the language. Where nobody speaks the text is "" and there are no segments.

        Raises:
            InputError: The file can't be read or has no sound track, or not the one that is named; the language or task
                is unknown.
            UnsupportedError: The checkpoint doesn't do the language or the task.
            ModelUnavailableError: The checkpoint isn't here and can't be fetched.
            CancelledError: ``cancel`` was set.
        """
        options = recognition_options(
            language, task, word_timestamps, segment_timestamps, initial_prompt, hotwords, languages, track
        )
        options = replace(options, voices=_voices(speakers, voices))
        return self._stream(audio_path, options, progress, cancel).finish()

    @checked
    def stream(
        self,
        audio_path: AudioSource,
        language: str | None = None,
        task: str = "transcribe",
        *,
        word_timestamps: bool = False,
        segment_timestamps: bool = True,
        initial_prompt: str | None = None,
        hotwords: str | None = None,
        languages: Sequence[str] = (),
        speakers: bool = False,
        voices: Mapping[str, MediaSource] | None = None,
        track: int | str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> ResultStream[Segment, Transcription]:
        """Give segments as they are recognised, and at the end as ``result`` what `transcribe` returns.

        The recording is never in memory as a whole. Arguments and errors are those of `transcribe`.
        """
        options = recognition_options(
            language, task, word_timestamps, segment_timestamps, initial_prompt, hotwords, languages, track
        )
        options = replace(options, first_soon=True, voices=_voices(speakers, voices))
        return self._stream(audio_path, options, progress, cancel)

    @property
    def batch_size(self) -> int:
        """How many short recordings go through the model in one pass; loads the model."""
        return self.backend.batch_size

    @checked
    def transcribe_together(
        self,
        recordings: Sequence[Recording],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Outcome]:
        """Transcribe several short recordings in less time than one after the other; each gets the same text.

        Args:
            recordings: Any number; all are in memory meanwhile.
            progress: Told what is fetched and loaded.
            cancel: Stops that.

        Returns:
            For each its transcription, or the `SensoriumError` that says why there is none; or None if more than 28
            seconds are spoken in it, and `transcribe` does it as fast.

        Raises:
            ModelUnavailableError: The checkpoint isn't here and can't be fetched.
            CancelledError: ``cancel`` was set.
        """
        with ExitStack() as held:
            backend = held.enter_context(self.lease(progress=progress, cancel=cancel))
            beside = held.enter_context(self._beside.lease(self._recogniser(backend), progress, cancel))
            runs = [self._attempted_run(backend, beside, recording) for recording in recordings]
            good = [run for run in runs if not isinstance(run, SensoriumError)]
            outcomes = iter(transcribe_together(good))
            return [run if isinstance(run, SensoriumError) else next(outcomes) for run in runs]

    @checked
    def transcribe_with_timestamps(
        self,
        audio_path: AudioSource,
        language: str | None = None,
        task: str = "transcribe",
        *,
        word_timestamps: bool = False,
        track: int | str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Segment]:
        """Return the segments of a recording with their times; arguments and errors are those of `transcribe`."""
        result = self.transcribe(
            audio_path, language, task, word_timestamps=word_timestamps, track=track, progress=progress, cancel=cancel
        )
        _tell(result, None)
        return list(result.segments)

    @checked
    def detect_language(
        self,
        audio_path: AudioSource,
        *,
        track: int | str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> DetectedLanguage:
        """Tell which language is spoken, judged by the first two minutes of speech.

        Args:
            audio_path: As for `transcribe`; of a long recording only the beginning is read.
            track: As for `transcribe`.
            progress: Told that it is at work.
            cancel: Stops the work.

        Raises:
            InputError: The file can't be read or has no sound track.
            UnsupportedError: The checkpoint understands English only.
            ModelUnavailableError: The checkpoint isn't here and can't be fetched.
            CancelledError: ``cancel`` was set.
        """
        with ExitStack() as held:
            backend = self._recogniser(held.enter_context(self.lease(progress=progress, cancel=cancel)))
            if not backend.multilingual:
                raise self._english_only()
            beside = held.enter_context(self._beside.lease(backend, progress, cancel))
            options = RecognitionOptions(None, "transcribe", track=require_track(track))
            run = RecognitionRun(backend, self.model, audio_path, options, self.limits, progress, cancel, beside)
            return run.detected_language()

    @checked
    def generate_srt(
        self,
        audio_path: AudioSource,
        output_path: str | os.PathLike[str],
        language: str | None = None,
        task: str = "transcribe",
        *,
        track: int | str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Path:
        """Write an SRT subtitle file, laid out for reading; return its path."""
        return self.generate_subtitles(
            audio_path, output_path, language, task, format="srt", track=track, progress=progress, cancel=cancel
        )

    @checked
    def generate_subtitles(
        self,
        audio_path: AudioSource,
        output_path: str | os.PathLike[str],
        language: str | None = None,
        task: str = "transcribe",
        *,
        format: str | None = None,
        speakers: bool = False,
        voices: Mapping[str, MediaSource] | None = None,
        track: int | str | None = None,
        on_warning: WarningCallback | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Path:
        """Write what is said to a file.

        Args:
            audio_path: As for `transcribe`.
            output_path: Where to; the file appears complete or not at all.
            language: As for `transcribe`.
            task: As for `transcribe`.
            format: ``"srt"`` and ``"vtt"`` are laid out for reading on a screen; ``"txt"``, ``"tsv"`` and
                ``"json"`` hold whole sentences; None for the one that the file's suffix names.
            speakers: Whether to tell who says what: SRT and VTT begin lines with a dash where two speak in one cue, SRT
                names whoever begins to speak, VTT marks voices, and the others hold their names.
            voices: As for `transcribe`.
            track: As for `transcribe`.
            on_warning: Told each of the transcription's warnings; None for the log.
            progress: Told the seconds of sound done.
            cancel: Stops the work.

        Returns:
            The path.

        Raises:
            InputError: As for `transcribe`; or the format is unknown, or the file can't be written.
        """
        wanted = format or subtitle_format(output_path)
        require_separate([output_path], [audio_path] if isinstance(audio_path, (str, os.PathLike)) else ())
        with atomic_file(output_path) as temporary:
            result = self.transcribe(
                audio_path,
                language,
                task,
                word_timestamps=True,
                speakers=speakers,
                voices=voices,
                track=track,
                progress=progress,
                cancel=cancel,
            )
            write_subtitles(subtitle_cues(result, wanted), temporary, wanted)
        _tell(result, on_warning)
        return Path(output_path)

    def _stream(
        self,
        source: AudioSource,
        options: RecognitionOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> ResultStream[Segment, Transcription]:
        if options.voices is not None:
            self._speakers()  # before anything is loaded that would be of no use
        return ResultStream(
            self.leased(
                lambda backend: self._segments(backend, source, options, progress, cancel),
                progress=progress,
                cancel=cancel,
            )
        )

    def _segments(
        self,
        backend: Recogniser,
        source: AudioSource,
        options: RecognitionOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Generator[Segment, None, Transcription]:
        with self._beside.lease(self._recogniser(backend), progress, cancel) as beside:
            run = self._run(backend, beside, source, options, progress, cancel)
            if options.voices is not None:
                run.tell_speakers_apart(self._speakers())
            return (yield from run.segments())

    def _speakers(self) -> SpeakerDiarization:
        """Return what tells speakers apart; it stays loaded for the next recording, until this object is closed."""
        if self._diarization is None:
            self._diarization = self.opening.part(SpeakerDiarization, self._diarizer)
        return self._diarization

    def close(self) -> None:
        """Give up the checkpoint, the aligner and what tells speakers apart, once the calls in progress have ended."""
        super().close()
        self._beside.close()
        self._diarization = None

    def _run(
        self,
        backend: Recogniser,
        beside: Beside,
        source: AudioSource,
        options: RecognitionOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> RecognitionRun:
        wanted = {options.language} if options.language else set(options.languages)
        if wanted and "en" not in wanted and not backend.multilingual:
            raise self._english_only()
        if options.task == "translate" and not backend.translates:
            raise UnsupportedError(
                f"The checkpoint {self.model!r} was not trained to translate", "Use 'medium' or 'large' for that"
            )
        if not backend.multilingual:
            options = replace(options, language="en")
        return RecognitionRun(backend, self.model, source, options, self.limits, progress, cancel, beside)

    def _attempted_run(
        self, backend: Recogniser, beside: Beside, recording: Recording
    ) -> RecognitionRun | SensoriumError:
        try:
            return self._run(backend, beside, recording.audio, recording.options, recording.progress, recording.cancel)
        except SensoriumError as error:
            return error

    def _english_only(self) -> UnsupportedError:
        return UnsupportedError(
            f"The checkpoint {self.model!r} understands English only", "Choose one without '.en' in its name"
        )


def _voices(speakers: bool, voices: Mapping[str, MediaSource] | None) -> Mapping[str, MediaSource] | None:
    """Return the reference recordings, which may be none; None if speakers aren't to be told apart."""
    return require_voices(voices) if speakers or voices else None


def _tell(result: Transcription, on_warning: WarningCallback | None) -> None:
    """Tell the warnings of a transcription to a caller who doesn't get it."""
    for sentence in result.warnings:
        warn(on_warning, sentence)
