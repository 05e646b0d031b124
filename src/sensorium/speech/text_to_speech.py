"""Text to speech: `TextToSpeech`, spoken sentence by sentence in constant memory, in its own voice or another's."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.media.audio_writer import require_sound_path
from sensorium.models import catalog, store
from sensorium.models.loaded import Shared
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.record import Record
from sensorium.speech.families import components
from sensorium.speech.speakable_text import check_language, clean_text, cut_long_sentence
from sensorium.speech.voice import CloningVoice, Reference, Voice
from sensorium.task import Task
from sensorium.text.languages import language_code

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.media.source import MediaSource

MIN_SPEED = 0.5
MAX_SPEED = 2.0
_MOST_SEED = 2**62
_LONGEST_STATEMENT = 500


@dataclass(frozen=True, eq=False, repr=False)
class SpeechChunk(Record):
    """A spoken sentence.

    Attributes:
        samples: float32 mono in [-1, 1].
        sample_rate: Samples a second.
        text: What is said.
        start: Where it begins in the whole, in seconds.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    text: str
    start: float


class TextToSpeech(Task[Voice]):
    """A voice that reads text aloud; some checkpoints take on the voice of a recording (`clone`).

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default. Families: the starter's Hibari;
            VITS and MMS-TTS (Kim et al. 2021; Pratap et al. 2023), SpeechT5 (Ao et al. 2022), Bark, CSM and Dia.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; Hibari runs on the CPU only.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known.
    """

    task = "text-to-speech"
    families: ClassVar = {
        "hibari": "sensorium.speech.families.hibari_voice:HibariVoice",
        "vits": "sensorium.speech.families.vits_voice:VitsVoice",
        "speecht5": "sensorium.speech.families.speecht5_voice:SpeechT5Voice",
        "bark": "sensorium.speech.families.bark_voice:BarkVoice",
        "csm": "sensorium.speech.families.csm_voice:CsmVoice",
        "dia": "sensorium.speech.families.dia_voice:DiaVoice",
    }
    _cloning = False
    uses_torch = False  # The starter's voice does without; the others prepare it themselves.

    @classmethod
    @checked
    def for_cloning(cls, model: str | os.PathLike[str] | None = None, *, device: str = "auto") -> Self:
        """Return a voice that can `clone`: the one that is named, else the catalog's choice for the profile."""
        speaker = cls(model or _cloning_checkpoint(), device=device)
        speaker._cloning = True
        return speaker

    @checked
    def synthesize(
        self,
        text: str,
        output_path: str | os.PathLike[str] = "output.wav",
        *,
        voice: str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> str:
        """Speak a text into a sound file. Its metadata says that the speech is generated, by which voice and seed.

        Args:
            text: Text of any length, in a language of the checkpoint. With Hibari, ``[word](/phonemes/)`` sets a
                pronunciation.
            output_path: Where to; the suffix chooses the format (.wav .flac .mp3 .opus .ogg .m4a .aac). The file
                appears complete or not at all.
            voice: Which voice of the checkpoint: a preset ("v2/en_speaker_6" of Bark), the number of a speaker (VITS,
                CSM), a .npy file with a speaker's x-vector (SpeechT5). None for its usual one.
            speed: From 0.5 (slow) to 2.0 (fast).
            seed: The same seed gives the same samples; None for another one each time.
            language: The language of the text; None to judge by its letters and words.
            progress: Told the characters spoken.
            cancel: Stops the work.

        Returns:
            The path.

        Raises:
            InputError: There is nothing to speak, the speed is out of range, or the file can't be written.
            UnsupportedError: The voice doesn't speak the text's language.
            CancelledError: ``cancel`` was set.
        """
        require_sound_path(output_path)
        seed = secrets.randbelow(2**32) if seed is None else seed
        chunks = self.stream(
            text, voice=voice, speed=speed, seed=seed, language=language, progress=progress, cancel=cancel
        )
        origin = f"voice {self.model}{f' ({Path(voice).name})' if voice else ''}, speed {speed:g}, seed {seed}"
        return self._write(chunks, output_path, origin)

    @checked
    def stream(
        self,
        text: str,
        *,
        voice: str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[SpeechChunk]:
        """Yield a text sentence by sentence, each as soon as it is spoken; memory stays flat.

        Arguments and errors are those of `synthesize`.
        """
        readable = self._readable(text, speed, seed, language)
        backend = self.load(progress=progress, cancel=cancel).backend
        speaker = backend.speaker(voice)
        return self._speak(backend, speaker, readable, speed, seed, language, progress, cancel)

    @checked
    def clone(
        self,
        text: str,
        reference_audio: MediaSource,
        output_path: str | os.PathLike[str] = "output.wav",
        *,
        consent: str = "",
        reference_text: str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> str:
        """Speak a text in the voice of a recording, with the consent of the person whose voice it is.

        Args:
            text: As for `synthesize`.
            reference_audio: 3 to 30 seconds of one person's speech: path, address, data URI, bytes or open file, of
                any format, also a film. Silence is cut off; of a longer recording the beginning is used.
            output_path: As for `synthesize`.
            consent: A statement in words that the person agrees, such as "I am the speaker" or "Maria Rossi agreed in
                writing on 3 May 2026". It is kept in the file's metadata, beside the mark that the speech is generated.
            reference_text: What is said in the recording; None to have it transcribed where the voice needs it.
            speed: As for `synthesize`.
            seed: As for `synthesize`.
            language: As for `synthesize`.
            progress: As for `synthesize`.
            cancel: As for `synthesize`.

        Returns:
            The path.

        Raises:
            InputError: As for `synthesize`; or there is no statement of consent, or the recording holds no speech, too
                little of it or, with a text, too much.
            UnsupportedError: The checkpoint can't take on a voice.
        """
        from sensorium.speech.reference_recording import find_reference

        statement = consent_statement(consent)
        require_sound_path(output_path)
        self._cloning = True
        seed = secrets.randbelow(2**32) if seed is None else seed
        readable = self._readable(text, speed, seed, language)
        recording = find_reference(reference_audio, whole=bool(reference_text), cancel=cancel)
        backend = self.load(progress=progress, cancel=cancel).backend
        if not isinstance(backend, CloningVoice):
            raise UnsupportedError(
                f"The checkpoint {self.model!r} can't take on the voice of a recording",
                f"Choose one that can, such as {_cloning_checkpoint()!r}",
            )
        self._fetch_components(components.FOR_CLONING, progress, cancel)
        said = reference_text or ""
        if backend.needs_transcript and not said:
            said = _transcript(recording.speech, progress, cancel)
        speaker = backend.imitate(Reference(recording.samples(backend.reference_rate), said))
        chunks = self._speak(backend, speaker, readable, speed, seed, language, progress, cancel)
        origin = f"voice of a recording imitated by {self.model}, speed {speed:g}, seed {seed}"
        return self._write(chunks, output_path, f"{origin}; consent stated: {statement}")

    def _readable(self, text: str, speed: float, seed: int | None, language: str | None) -> str:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise InputError(f"The speed {speed} is out of range", f"Choose from {MIN_SPEED:g} to {MAX_SPEED:g}")
        if seed is not None and not 0 <= seed < _MOST_SEED:
            raise InputError(
                f"The seed {seed} is {'negative' if seed < 0 else 'too large'}", f"Choose from 0 to {_MOST_SEED - 1}"
            )
        readable = clean_text(text)
        check_language(readable, languages=_known(self.checkpoint.languages), language=language, voice=self.model)
        return readable

    def _speak(
        self,
        backend: Voice,
        speaker: Any,
        readable: str,
        speed: float,
        seed: int | None,
        language: str | None,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Iterator[SpeechChunk]:
        languages = _known(self.checkpoint.languages) or backend.languages
        check_language(readable, languages=languages, language=language, voice=self.model)
        text = backend.written_out(readable, None if language is None else _code(language, languages))
        first_seed = secrets.randbelow(2**32) if seed is None else seed
        return _spoken(backend, speaker, text, speed, first_seed, progress, cancel)

    def _write(self, chunks: Iterator[SpeechChunk], output_path: str | os.PathLike[str], origin: str) -> str:
        from sensorium.media.audio import AudioWriter

        metadata = {"comment": f"Generated speech, spoken by no human: {origin}"}
        with AudioWriter(output_path, self.backend.sample_rate, metadata=metadata) as writer:
            for chunk in chunks:
                writer.write(chunk.samples)
        return os.fspath(output_path)

    def _open(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Voice]:
        self._fetch_components(components.FOR_SPEAKING, progress, cancel)
        return super()._open(progress, cancel)

    def _fetch_components(
        self, needed: Mapping[str, tuple[str, ...]], progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> None:
        # Where it shall clone, an error must not advise the starter, whose voice can't.
        checkpoint = replace(self.checkpoint, task="voice-cloning") if self._cloning else self.checkpoint
        folder = store.locate(checkpoint, progress=progress, cancel=cancel)
        for name in needed.get(self._family(folder), ()):
            components.component(name, progress=progress, cancel=cancel)

    def _resolve_device(self) -> str:
        if self.checkpoint.family != "hibari":
            return super()._resolve_device()
        if self._device not in ("auto", "cpu"):
            raise InputError(
                f"The voice {self.model!r} doesn't run on the device {self._device!r}", "Use device='auto'"
            )
        return "cpu"


def consent_statement(consent: str) -> str:
    """Return a statement of consent on one line.

    Raises:
        InputError: It states nothing, or it is longer than 500 characters.
    """
    statement = " ".join(consent.split())
    remedy = "Say who agreed to it, such as consent='I am the speaker' or consent='Maria Rossi agreed on 3 May 2026'"
    if sum(character.isalpha() for character in statement) < 2:
        raise InputError(
            "A voice is cloned only with a statement that the person whose voice it is agrees, and there is none: "
            "without it the result could deceive others or harm that person",
            remedy,
        )
    if len(statement) > _LONGEST_STATEMENT:
        raise InputError(f"The statement of consent has more than {_LONGEST_STATEMENT} characters", remedy)
    return statement


def _code(language: str, languages: tuple[str, ...]) -> str:
    """Return the code of a language; a voice may know one that has no code of two letters."""
    plain = language.strip().lower()
    return plain if plain in languages else language_code(language)


def _known(languages: tuple[str, ...]) -> tuple[str, ...]:
    return () if languages == ("multilingual",) else languages


def _cloning_checkpoint() -> str:
    """Return the name of a checkpoint that clones: of the profile in force, else of the catalog, else of the hub."""
    cloning = [entry for entry in catalog.entries(TextToSpeech.task) if entry.family in ("csm", "dia")]
    cloning.sort(key=lambda entry: catalog.current_profile() not in entry.profiles)
    return cloning[0].name if cloning else "sesame/csm-1b"


def _transcript(speech: NDArray[np.float32], progress: ProgressCallback | None, cancel: Cancellation | None) -> str:
    from sensorium.speech.speech_to_text import SpeechToText

    with SpeechToText() as recogniser:
        return recogniser.transcribe(speech, progress=progress, cancel=cancel).text


def _spoken(
    voice: Voice,
    speaker: Any,
    text: str,
    speed: float,
    seed: int,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Iterator[SpeechChunk]:
    done = start = 0.0
    parts = (part for sentence in voice.sentences(text) for part in cut_long_sentence(sentence, voice.longest_sentence))
    for number, part in enumerate(parts):
        check_cancelled(cancel)
        report(progress, "speaking", done, len(text), "characters")
        samples = voice.speak(part, speaker=speaker, speed=speed, seed=seed + number, cancel=cancel)
        done += len(part)
        if len(samples):
            yield SpeechChunk(samples, voice.sample_rate, part, start)
            start += len(samples) / voice.sample_rate
    report(progress, "speaking", len(text), len(text), "characters")
