"""What can be asked of voices: to read a text aloud, in a voice of their own or in that of a recording."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sensorium.media.atomic_file import atomic_file
from sensorium.media.audio import probe_audio
from sensorium.media.audio_encoder import SOUND_FORMATS, SoundFormat, sound_format, streamed_format
from sensorium.media.input_warnings import InputWarnings
from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint
from sensorium.operations.artifact import Artifact
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.sound_track import Track
from sensorium.operations.tasks import Tasks
from sensorium.progress import Sound
from sensorium.record import Record
from sensorium.speech.consent import consent_statement
from sensorium.speech.speakable_text import clean_text
from sensorium.speech.speaking_checkpoints import cloning_checkpoint, opened_for_cloning, opened_for_speaking
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.speed_and_seed import MAX_SEED, MAX_SPEED, MIN_SPEED, require_seed, require_speed
from sensorium.speech.spoken import EncodedSpeech
from sensorium.speech.text_to_speech import TextToSpeech
from sensorium.task import Task, TaskOptions


@dataclass(frozen=True, eq=False, repr=False)
class Spoken(Record):
    """A file of generated speech.

    Attributes:
        artifact: The file.
        format: ``"mp3"``, ``"opus"``, ``"aac"``, ``"m4a"``, ``"flac"``, ``"wav"`` or ``"pcm"``.
        duration: How long it lasts, in seconds.
        sample_rate: Samples a second.
        model: Name of the checkpoint.
        seed: The seed that makes the same speech again.
        warnings: What the voice can't read and left out, and what is damaged in a recording: a sentence for each.
    """

    artifact: Artifact
    format: str
    duration: float
    sample_rate: int
    model: str
    seed: int
    warnings: tuple[str, ...] = ()


def _readable(text: Any) -> Any:
    return clean_text(text) if isinstance(text, str) else text


def _known(format: str) -> str:
    return sound_format(format).name


class _Speaking(ModelOperation):
    task: ClassVar[str] = TextToSpeech.task

    # Before pydantic sees it, who would refuse a text with a character that no voice reads anyway.
    text: Annotated[str, BeforeValidator(_readable)]
    """What to say, of any length, in a language of the voice."""
    speed: Annotated[
        float, AfterValidator(require_speed), Field(json_schema_extra={"minimum": MIN_SPEED, "maximum": MAX_SPEED})
    ] = 1.0
    """1 is natural, 2 twice as fast."""
    seed: Annotated[
        int | None, AfterValidator(require_seed), Field(json_schema_extra={"minimum": 0, "maximum": MAX_SEED})
    ] = None
    """Makes the voice say it the same way again; another one each time if left out."""
    language: str | None = None
    """The language of the text: a code such as "en", a locale or an English name; judged by its words if left out."""
    format: Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(SOUND_FORMATS)})] = "mp3"
    """Of the file; "pcm" is bare 16-bit samples, little-endian, at 24 kHz, which can't say that they are generated."""
    stream: bool = False
    """Whether encoded sound is told piece by piece while it is spoken; joined, the pieces are the file."""

    @model_validator(mode="after")
    def _check_streaming(self) -> Self:
        if self.stream:
            streamed_format(self.format)
        return self

    @abstractmethod
    def _voice(self, tasks: Tasks, report: Reporter, *, load: bool) -> TextToSpeech:
        """Return the task object, loaded if asked."""

    @abstractmethod
    def _speak(self, voice: TextToSpeech, path: Path, tasks: Tasks, options: dict[str, Any]) -> None:
        """Speak into a file."""

    @abstractmethod
    def _encode(self, voice: TextToSpeech, tasks: Tasks, options: dict[str, Any]) -> EncodedSpeech:
        """Return the speech piece by piece."""

    def opened(self, tasks: Tasks, report: Reporter) -> TextToSpeech:
        """Return the voice, loaded."""
        return self._voice(tasks, report, load=True)

    def run(self, tasks: Tasks, report: Reporter) -> Spoken:
        """Keep the file; return what it is."""
        # It isn't loaded here: the text is held against the languages of the catalog before a checkpoint is fetched.
        voice = self._voice(tasks, report, load=False)
        form = SOUND_FORMATS[self.format]
        seed = secrets.randbelow(2**32) if self.seed is None else self.seed
        warnings = InputWarnings()
        options = {
            "speed": self.speed,
            "seed": seed,
            "language": self.language,
            "progress": report,
            "cancel": report,
            "on_warning": warnings,
        }
        facts: tuple[float, int] = (0.0, 0)

        def write(path: Path) -> None:
            nonlocal facts
            if self.stream or not form.suffixes:
                facts = self._stream_into(path, self._encode(voice, tasks, options), report)
            else:
                self._speak(voice, path, tasks, options)
                facts = _length_and_rate(path)

        artifact = report.keep(_file_name(form), form.media_type, write)
        return Spoken(artifact, form.name, *facts, voice.model, seed, warnings.told())

    def _stream_into(self, path: Path, speech: EncodedSpeech, report: Reporter) -> tuple[float, int]:
        with atomic_file(path) as partial, partial.open("wb") as file, speech:
            for piece in speech:
                file.write(piece)
                if self.stream:
                    report(Sound(piece, speech.media_type))
        return speech.result.duration, speech.result.sample_rate


class Speak(_Speaking):
    """Read a text aloud into a sound file, in a voice of the model.

    The file's metadata says that the speech is generated, by which voice and with which seed.
    """

    result: ClassVar[str] = "sensorium.operations.text_to_speech:Spoken"

    voice: str | None = None
    """Which voice of the model: the name of a preset, or the number of a speaker; its usual one if left out."""

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the voice, and the components that it needs."""
        return opened_for_speaking(*super().checkpoints())

    def _voice(self, tasks: Tasks, report: Reporter, *, load: bool) -> TextToSpeech:
        return tasks.open(
            (TextToSpeech, self.opening_key),
            lambda: TextToSpeech(self.model, **self.opening(tasks)),
            report,
            load=load,
        )

    def _speak(self, voice: TextToSpeech, path: Path, tasks: Tasks, options: dict[str, Any]) -> None:
        voice.synthesize(self.text, path, voice=self.voice, **options)

    def _encode(self, voice: TextToSpeech, tasks: Tasks, options: dict[str, Any]) -> EncodedSpeech:
        return voice.stream_encoded(self.text, self.format, voice=self.voice, **options)


class Clone(_Speaking):
    """Read a text aloud in the voice of a recording, with the consent of the person whose voice it is.

    The statement of consent is kept in the file's metadata, beside the mark that the speech is generated.
    """

    result: ClassVar[str] = "sensorium.operations.text_to_speech:Spoken"

    reference: Media
    """A recording or film of the person: 3 to 30 seconds of speech; of a longer one the beginning is used."""
    consent: Annotated[str, AfterValidator(consent_statement)]
    """Who agreed to it, in words, such as "I am the speaker" or "Maria Rossi agreed in writing on 3 May 2026"."""
    reference_text: str | None = None
    """What is said in the recording; transcribed where the voice needs it and it is left out."""
    track: Track = None
    """Number, from 1, or language of the sound track; by default one in which somebody speaks."""

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the voice, its components, and the recogniser of recordings whose text isn't given."""
        profile = self.profile or catalog.current_profile()
        voice = catalog.resolve(self.model or cloning_checkpoint(profile), task=self.task, profile=profile)
        return opened_for_cloning(voice, transcript=bool(self.reference_text), profile=profile)

    def _voice(self, tasks: Tasks, report: Reporter, *, load: bool) -> TextToSpeech:
        return tasks.open(
            (TextToSpeech, "clone", self.opening_key),
            lambda: TextToSpeech.for_cloning(self.model, **self.opening(tasks)),
            report,
            load=load,
        )

    def opening(self, tasks: Tasks) -> TaskOptions:
        """Let the recogniser stay loaded for the next recording."""
        options = super().opening(tasks)
        recogniser: list[SpeechToText] = []

        def provide(part: type[Task[Any]], model: str | None) -> Task[Any] | None:
            if part is not SpeechToText or model is not None:
                return None
            if not recogniser:
                recogniser.append(SpeechToText(profile=self.profile, device=self.device, limits=tasks.limits))
            return recogniser[0]

        return {**options, "provide": provide}

    def _speak(self, voice: TextToSpeech, path: Path, tasks: Tasks, options: dict[str, Any]) -> None:
        voice.clone(
            self.text,
            tasks.media(self.reference),
            path,
            consent=self.consent,
            reference_text=self.reference_text,
            track=self.track,
            **options,
        )

    def _encode(self, voice: TextToSpeech, tasks: Tasks, options: dict[str, Any]) -> EncodedSpeech:
        return voice.clone_encoded(
            self.text,
            tasks.media(self.reference),
            self.format,
            consent=self.consent,
            reference_text=self.reference_text,
            track=self.track,
            **options,
        )


def _length_and_rate(path: Path) -> tuple[float, int]:
    sound = probe_audio(path)
    return sound.duration, sound.sample_rate


def _file_name(form: SoundFormat) -> str:
    return f"speech{form.suffixes[0] if form.suffixes else f'.{form.name}'}"
