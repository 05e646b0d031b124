"""What can be asked of speech: its words, in its language or in English, as subtitles, and which language it is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field

from sensorium.language.written_language import require_characters
from sensorium.media.subtitles import FORMATS, MEDIA_TYPES, known_format, write_subtitles
from sensorium.models.catalog import Checkpoint
from sensorium.operations.artifact import Artifact
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.sound_track import Track
from sensorium.operations.speakers import Diarizer, Voices, diarizing_checkpoints
from sensorium.operations.tasks import Tasks
from sensorium.operations.together import Everybody, attempted, run_by_itself, run_in_one_pass
from sensorium.progress import Finished
from sensorium.record import Record
from sensorium.speech.hearing_checkpoints import opened_for_hearing
from sensorium.speech.speech_to_text import DetectedLanguage, Recording, SpeechToText, Transcription
from sensorium.speech.subtitle_cues import subtitle_cues
from sensorium.text.languages import language_code


def _code(language: str | None) -> str | None:
    return None if language is None else language_code(language)


def _codes(languages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(language_code(language) for language in languages)


def _of_characters(what: str) -> BeforeValidator:
    """Refuse halves of characters before pydantic does, who can't say which they are."""

    def check(text: Any) -> Any:
        if isinstance(text, str):
            require_characters(text, what=what)
        return text

    return BeforeValidator(check)


SubtitleFormat = Annotated[str, AfterValidator(known_format), Field(json_schema_extra={"enum": list(FORMATS)})]


class _Listening(ModelOperation):
    task: ClassVar[str] = SpeechToText.task

    audio: Media
    """A recording or film of any length, in any format that FFmpeg reads."""
    track: Track = None
    """Which sound track is heard: its number, from 1, or the language that it is marked with; by default one of the
    language that is spoken, or else one in which somebody speaks."""
    aligner: Annotated[str | None, Field(min_length=1)] = None
    """What tells when words are spoken, of models that write text alone: a Whisper or a forced aligner; by default the
    starter's Whisper."""

    @property
    def opening_key(self) -> Hashable:
        """What tells recognisers apart."""
        return (super().opening_key, self.aligner)

    def opened(self, tasks: Tasks, report: Reporter) -> SpeechToText:
        """Return the recogniser, loaded."""
        return tasks.open(
            (SpeechToText, self.opening_key),
            lambda: SpeechToText(self.model, aligner=self.aligner, **self.opening(tasks)),
            report,
        )

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the recogniser, and the aligner if it needs one."""
        [recogniser] = super().checkpoints()
        return opened_for_hearing(recogniser, self.aligner)


class _WritingDown(_Listening):
    part: ClassVar[str] = "sensorium.speech.transcription:Segment"

    language: Annotated[str | None, AfterValidator(_code)] = None
    """The language that is spoken: a code such as "en", a locale or an English name; detected, also where it changes,
    if left out."""
    languages: Annotated[tuple[str, ...], AfterValidator(_codes)] = ()
    """The languages that may be spoken, where it is to be detected; any if left out."""
    initial_prompt: Annotated[str | None, _of_characters("initial prompt")] = None
    """Text in whose style and spelling the transcription goes on."""
    hotwords: Annotated[str | None, _of_characters("list of hotwords")] = None
    """Names and terms to expect, such as "Ashleigh, CTranslate2"."""
    speakers: bool = False
    """Whether to tell who says what; speakers are called A, B and so on."""
    voices: Voices = Field(default_factory=dict)
    """Recordings of speakers by their names, 2 to 30 seconds of speech each; speakers are told apart then."""
    diarizer: Diarizer = None
    """The model that tells speakers apart; by default the profile's. They are told apart if it is named."""

    @property
    def tells_speakers(self) -> bool:
        """Whether speakers are told apart."""
        return self.speakers or bool(self.voices) or self.diarizer is not None

    def opened(self, tasks: Tasks, report: Reporter) -> SpeechToText:
        """Return the recogniser, loaded."""
        return tasks.open(
            (SpeechToText, self.opening_key, self.diarizer),
            lambda: SpeechToText(self.model, aligner=self.aligner, diarizer=self.diarizer, **self.opening(tasks)),
            report,
        )

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the recogniser, and what tells speakers and voices apart."""
        return (*super().checkpoints(), *(diarizing_checkpoints(self) if self.tells_speakers else ()))

    def _written_down(
        self, tasks: Tasks, report: Reporter, purpose: str, *, word_timestamps: bool, segment_timestamps: bool = True
    ) -> Transcription:
        audio = tasks.media(self.audio)
        segments = self.opened(tasks, report).stream(
            audio,
            self.language,
            purpose,
            word_timestamps=word_timestamps,
            segment_timestamps=segment_timestamps,
            initial_prompt=self.initial_prompt,
            hotwords=self.hotwords,
            languages=self.languages,
            speakers=self.tells_speakers,
            voices={name: tasks.media(recording) for name, recording in self.voices.items()},
            track=self.track,
            progress=report,
            cancel=report,
        )
        with segments:
            for segment in segments:
                report(Finished(segment))
        return segments.result


class _Timed(_WritingDown):
    word_timestamps: bool = False
    """Whether segments list their words with times."""
    segment_timestamps: bool = True
    """Whether each sentence is a segment with times of its own; without, a segment is up to 28 seconds of speech."""


class Transcribe(_Timed):
    """Write down what is said in a recording or film, in the language that is spoken.

    Each sentence is told as soon as it is recognised. Nothing is invented where nobody speaks: the text is empty then.
    """

    result: ClassVar[str] = "sensorium.speech.transcription:Transcription"

    def run(self, tasks: Tasks, report: Reporter) -> Transcription:
        """Return the text; its segments are told as they come."""
        return self._written_down(
            tasks,
            report,
            "transcribe",
            word_timestamps=self.word_timestamps,
            segment_timestamps=self.segment_timestamps,
        )

    def batch_key(self) -> Hashable | None:
        """Return what tells models apart, and what the model is told before it listens; None with speakers."""
        if self.tells_speakers:
            return None
        return (self.name, self.opening_key, self.initial_prompt, self.hotwords)

    def at_once(self, tasks: Tasks, report: Reporter) -> int:
        """Return how many short recordings the model takes in one pass."""
        return self.opened(tasks, report).batch_size

    @classmethod
    def run_together(cls, operations: Sequence[Self], tasks: Tasks, reports: Sequence[Reporter]) -> list[Any]:
        """Write down short recordings together, those of one length and language in one pass; longer ones after them.

        Each gets the text that it gets alone.
        """

        def transcribe(waiting: Sequence[Self], everybody: Everybody) -> list[Any]:
            recogniser = waiting[0].opened(tasks, everybody)
            asked = zip(waiting, everybody.reports, strict=True)
            recordings = [attempted(operation._recording, tasks, report) for operation, report in asked]
            found = [recording for recording in recordings if isinstance(recording, Recording)]
            outcomes = iter(recogniser.transcribe_together(found, progress=everybody, cancel=everybody))
            return [next(outcomes) if isinstance(recording, Recording) else recording for recording in recordings]

        outcomes = run_in_one_pass(operations, reports, transcribe)
        for report, outcome in zip(reports, outcomes, strict=True):
            for segment in outcome.segments if isinstance(outcome, Transcription) else ():
                report(Finished(segment))
        together = zip(operations, reports, outcomes, strict=True)
        return [run_by_itself(each, tasks, report) if out is None else out for each, report, out in together]

    def _recording(self, tasks: Tasks, report: Reporter) -> Recording:
        return Recording(
            tasks.media(self.audio),
            self.language,
            word_timestamps=self.word_timestamps,
            segment_timestamps=self.segment_timestamps,
            initial_prompt=self.initial_prompt,
            hotwords=self.hotwords,
            languages=self.languages,
            track=self.track,
            progress=report,
            cancel=report,
        )


class Translate(_Timed):
    """Write down in English what is said in a recording or film in another language.

    Each sentence is told as soon as it is translated.
    """

    result: ClassVar[str] = "sensorium.speech.transcription:Transcription"

    def run(self, tasks: Tasks, report: Reporter) -> Transcription:
        """Return the English text; its segments are told as they come."""
        return self._written_down(
            tasks, report, "translate", word_timestamps=self.word_timestamps, segment_timestamps=self.segment_timestamps
        )


@dataclass(frozen=True, eq=False, repr=False)
class SubtitleFile(Record):
    """A file of subtitles, and what it was made of.

    Attributes:
        artifact: The file.
        format: ``"srt"``, ``"vtt"``, ``"txt"``, ``"tsv"`` or ``"json"``.
        transcription: What is said, sentence by sentence.
        warnings: Those of the transcription.
    """

    artifact: Artifact
    format: str
    transcription: Transcription
    warnings: tuple[str, ...] = ()


class Subtitle(_WritingDown):
    """Write subtitles for a film or a recording, laid out so that they can be read in time.

    At most 42 characters a line (16 in Chinese, Japanese and Korean) and two lines at once, and none over silence.
    Plain text, tables and JSON hold whole sentences instead.
    """

    result: ClassVar[str] = "sensorium.operations.speech_to_text:SubtitleFile"

    format: SubtitleFormat = "srt"
    """SubRip (srt), WebVTT (vtt), plain text (txt), a table in milliseconds (tsv), or JSON in seconds (json)."""
    translate: bool = False
    """Whether they are in English, whatever language is spoken."""
    words: bool = False
    """Whether each word is a subtitle of its own."""

    def run(self, tasks: Tasks, report: Reporter) -> SubtitleFile:
        """Keep the file; return it with what is said, whose segments are told as they come."""
        said = self._written_down(
            tasks,
            report,
            "translate" if self.translate else "transcribe",
            word_timestamps=self.words or self.format != "txt",
        )
        cues = subtitle_cues(said, self.format, words=self.words)
        artifact = report.keep(
            f"subtitles.{self.format}",
            MEDIA_TYPES[self.format],
            lambda path: write_subtitles(cues, path, self.format),
        )
        return SubtitleFile(artifact, self.format, said, said.warnings)


class DetectLanguage(_Listening):
    """Tell which language is spoken in a recording or film, judged by its first two minutes of speech."""

    result: ClassVar[str] = "sensorium.speech.transcription:DetectedLanguage"

    def run(self, tasks: Tasks, report: Reporter) -> DetectedLanguage:
        """Return the language, and which others it may be."""
        audio = tasks.media(self.audio)
        return self.opened(tasks, report).detect_language(audio, track=self.track, progress=report, cancel=report)
