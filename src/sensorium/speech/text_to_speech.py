"""Text to speech: `TextToSpeech`, spoken sentence by sentence in constant memory, in its own voice or another's."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.media.audio_encoder import streamed_format
from sensorium.media.audio_writer import AudioWriter, require_sound_path
from sensorium.media.container import WarningCallback, warn
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.loaded import Shared
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.speech.consent import consent_statement
from sensorium.speech.families import components
from sensorium.speech.families.voice_families import VOICE_FAMILIES, voice_family, why_no_voice
from sensorium.speech.speakable_text import OTHER_VOICES, check_language, clean_text, likely_language, without_unspoken
from sensorium.speech.speaking_checkpoints import VOICE_TASK, cloning_checkpoint
from sensorium.speech.speed_and_seed import require_seed, require_speed
from sensorium.speech.spoken import EncodedSpeech, Speech, SpeechChunk, spoken_sentences
from sensorium.speech.voice import CloningVoice, Reference, Voice, VoiceInFiles
from sensorium.task import Task, TaskOptions
from sensorium.text.languages import language_code
from sensorium.text.line_wraps import unwrap_lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.media.source import MediaSource
from sensorium.media.track_choice import TrackName, require_track


@dataclass(frozen=True)
class _Wish:
    """How a text shall be spoken."""

    text: str
    speed: float
    seed: int
    language: str | None
    progress: ProgressCallback | None
    cancel: Cancellation | None
    on_warning: WarningCallback | None


@dataclass(frozen=True)
class _Recording:
    """The recording whose voice is taken on, with what is said in it ("" to find that out), and its track."""

    source: MediaSource
    text: str
    track: TrackName | None


class TextToSpeech(Task[Voice]):
    """A voice that reads text aloud; some checkpoints take on the voice of a recording (`clone`).

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default. Families: the starter's Hibari;
            VITS and MMS-TTS (Kim et al. 2021; Pratap et al. 2023), SpeechT5 (Ao et al. 2022), Bark, CSM, Dia, Phonon,
            Pocket TTS, VibeVoice and Higgs Audio 2.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; Hibari runs on the CPU only.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known.
    """

    task = VOICE_TASK
    families = VOICE_FAMILIES
    uses_torch = False  # The starter's voice does without; the others prepare it themselves.

    @classmethod
    @checked
    def for_cloning(cls, model: str | os.PathLike[str] | None = None, **options: Unpack[TaskOptions]) -> Self:
        """Return a voice that can `clone`: the one that is named, else the catalog's choice for the profile."""
        return cls(model or cloning_checkpoint(options.get("profile") or catalog.current_profile()), **options)

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
        on_warning: WarningCallback | None = None,
    ) -> str:
        """Speak a text into a sound file. Its metadata says that the speech is generated, by which voice and seed.

        Args:
            text: Text of any length, in a language of the checkpoint. With Hibari, ``[word](/phonemes/)`` sets a
                pronunciation.
            output_path: Where to; the suffix chooses the format (.wav .flac .mp3 .opus .ogg .m4a .aac). The file
                appears complete or not at all.
            voice: Which voice of the checkpoint: a preset ("v2/en_speaker_6" of Bark, one in the folder "voices" or
                "embeddings" of Phonon or Pocket TTS), the number of a speaker (VITS, CSM), a file with a speaker's
                x-vector (.npy, SpeechT5) or latents (.safetensors, Phonon, Pocket TTS). None for its usual one.
            speed: From 0.5 (slow) to 2.0 (fast).
            seed: The same seed gives the same samples; None for another one each time.
            language: The language of the text; None to judge by its letters and words.
            progress: Told the characters spoken.
            cancel: Stops the work.
            on_warning: Told what the voice can't read and leaves out, and what is damaged in a recording: a sentence.

        Returns:
            The path.

        Raises:
            InputError: There is nothing to speak, the speed is out of range, or the file can't be written.
            UnsupportedError: The voice doesn't speak the text's language.
            CancelledError: ``cancel`` was set.
        """
        require_sound_path(output_path)
        speech = self._speech(self._wish(text, speed, seed, language, progress, cancel, on_warning), voice)
        return _write(speech, output_path)

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
        on_warning: WarningCallback | None = None,
    ) -> Iterator[SpeechChunk]:
        """Yield a text sentence by sentence, each as soon as it is spoken; memory stays flat.

        Arguments and errors are those of `synthesize`.
        """
        return self._speech(self._wish(text, speed, seed, language, progress, cancel, on_warning), voice).chunks

    @checked
    def stream_encoded(
        self,
        text: str,
        format: str = "mp3",
        *,
        voice: str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        on_warning: WarningCallback | None = None,
    ) -> EncodedSpeech:
        """Give encoded sound piece by piece, as sentences are spoken; joined, the pieces are a sound file.

        Args:
            text: As for `synthesize`.
            format: ``"mp3"``, ``"opus"``, ``"aac"``, ``"flac"``, ``"wav"``, or ``"pcm"``: 16-bit little-endian samples
                without a header.
            voice: As for `synthesize`.
            speed: As for `synthesize`.
            seed: As for `synthesize`.
            language: As for `synthesize`.
            progress: As for `synthesize`.
            cancel: As for `synthesize`.
            on_warning: As for `synthesize`.

        Returns:
            The pieces; before the first one it tells ``media_type`` and ``sample_rate``. Closing it stops the voice.

        Raises:
            InputError: As for `synthesize`; or the format is unknown.
            UnsupportedError: As for `synthesize`.
        """
        form = streamed_format(format)
        return EncodedSpeech(
            self._speech(self._wish(text, speed, seed, language, progress, cancel, on_warning), voice), form
        )

    @checked
    def clone(
        self,
        text: str,
        reference_audio: MediaSource,
        output_path: str | os.PathLike[str] = "output.wav",
        *,
        consent: str = "",
        reference_text: str | None = None,
        track: int | str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        on_warning: WarningCallback | None = None,
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
            track: Number, from 1, or language of the sound track; None for one in which somebody speaks.
            speed: As for `synthesize`.
            seed: As for `synthesize`.
            language: As for `synthesize`.
            progress: As for `synthesize`.
            cancel: As for `synthesize`.
            on_warning: As for `synthesize`.

        Returns:
            The path.

        Raises:
            InputError: As for `synthesize`; or there is no statement of consent, or the recording holds no speech, too
                little of it or, with a text, too much.
            UnsupportedError: The checkpoint can't take on a voice.
        """
        statement = consent_statement(consent)
        require_sound_path(output_path)
        wish = self._wish(text, speed, seed, language, progress, cancel, on_warning)
        recording = _Recording(reference_audio, reference_text or "", require_track(track))
        return _write(self._cloned(wish, recording, statement), output_path)

    @checked
    def clone_encoded(
        self,
        text: str,
        reference_audio: MediaSource,
        format: str = "mp3",
        *,
        consent: str = "",
        reference_text: str | None = None,
        track: int | str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        on_warning: WarningCallback | None = None,
    ) -> EncodedSpeech:
        """Give speech in the voice of a recording as encoded sound, piece by piece.

        ``format`` and what is returned are those of `stream_encoded`; the rest is as for `clone`.
        """
        statement = consent_statement(consent)
        form = streamed_format(format)
        wish = self._wish(text, speed, seed, language, progress, cancel, on_warning)
        recording = _Recording(reference_audio, reference_text or "", require_track(track))
        return EncodedSpeech(self._cloned(wish, recording, statement), form)

    def _wish(
        self,
        text: str,
        speed: float,
        seed: int | None,
        language: str | None,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
        on_warning: WarningCallback | None,
    ) -> _Wish:
        """Refuse what can be refused before anything is fetched or loaded."""
        require_speed(speed)
        require_seed(seed)
        readable = clean_text(text)
        check_language(readable, languages=_known(self.checkpoint.languages), language=language, voice=self.model)
        seed = secrets.randbelow(2**32) if seed is None else seed
        return _Wish(readable, speed, seed, language, progress, cancel, on_warning)

    def _speech(self, wish: _Wish, voice: str | None) -> Speech:
        """Speak in one of the checkpoint's own voices."""
        name = f" ({Path(voice).name})" if voice else ""
        with self.lease(progress=wish.progress, cancel=wish.cancel) as backend:
            is_file = voice and isinstance(backend, VoiceInFiles) and backend.voice_is_file(voice)
            if is_file and not self.limits.allow_files:
                raise InputError(
                    f"The voices of {self.model!r} are files on this machine, which can't be named here",
                    "Clone the voice of a recording",
                )
            return self._spoken(backend, backend.speaker(voice), wish, f"voice {self.model}{name}")

    def _cloned(self, wish: _Wish, recording: _Recording, consent: str) -> Speech:
        """Speak in the voice of a recording."""
        from sensorium.speech.reference_recording import find_reference

        whole = bool(recording.text)
        found = find_reference(
            recording.source,
            whole=whole,
            track=recording.track,
            limits=self.limits,
            on_warning=wish.on_warning,
            cancel=wish.cancel,
        )
        # If something can't be fetched, the error must not advise the starter, whose voice can't clone.
        wanted = replace(self.checkpoint, task="voice-cloning")
        self._fetch(wanted, components.FOR_CLONING, wish.progress, wish.cancel)
        with self.lease(progress=wish.progress, cancel=wish.cancel) as backend:
            if not isinstance(backend, CloningVoice) or not backend.clones:
                raise UnsupportedError(
                    f"The checkpoint {self.model!r} can't take on the voice of a recording",
                    f"Choose one that can, such as {cloning_checkpoint(self.profile)!r}",
                )
            said = recording.text
            if backend.needs_transcript and not said:
                said = self._transcript(found.speech, wish)
            speaker = backend.imitate(Reference(found.samples(backend.reference_rate), said))
            speech = self._spoken(backend, speaker, wish, f"voice of a recording imitated by {self.model}")
        return replace(speech, origin=f"{speech.origin}; consent stated: {consent}")

    def _transcript(self, speech: NDArray[np.float32], wish: _Wish) -> str:
        from sensorium.speech.speech_to_text import SpeechToText

        recogniser = self.opening.part(SpeechToText)
        heard = recogniser.transcribe(speech, segment_timestamps=False, progress=wish.progress, cancel=wish.cancel)
        return heard.text

    def _spoken(self, backend: Voice, speaker: Any, wish: _Wish, whose: str) -> Speech:
        languages = _known(self.checkpoint.languages) or backend.languages
        check_language(wish.text, languages=languages, language=wish.language, voice=self.model)
        named = None if wish.language is None else _code(wish.language, languages)
        kept, warning = without_unspoken(wish.text, backend.unspoken(wish.text, named), insisted=named is not None)
        if warning:
            warn(wish.on_warning, warning)
        text = unwrap_lines(kept)
        language = named or likely_language(text, languages)
        chunks = self.leased(
            lambda voice: spoken_sentences(
                voice,
                speaker,
                text,
                language=language,
                speed=wish.speed,
                seed=wish.seed,
                progress=wish.progress,
                cancel=wish.cancel,
            )
        )
        origin = f"{whose}, speed {wish.speed:g}, seed {wish.seed}"
        return Speech(chunks, backend.sample_rate, self.model, wish.seed, origin)

    def _open(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Voice]:
        self._fetch(self.checkpoint, components.FOR_SPEAKING, progress, cancel)
        return super()._open(progress, cancel)

    def _fetch(
        self,
        checkpoint: Checkpoint,
        needed: Mapping[str, tuple[str, ...]],
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> None:
        """Fetch the checkpoint, and what its family needs beside it."""
        folder = store.locate(checkpoint, progress=progress, cancel=cancel)
        for name in components.needed(self._family(folder), folder, needed):
            components.component(name, progress=progress, cancel=cancel)

    def _family(self, folder: Path) -> str:
        return voice_family(super()._family(folder))

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        reason = why_no_voice(family)
        if reason is None:
            return super()._unsuitable(family, folder)
        return UnsupportedError(f"The checkpoint {self.model!r} is no voice: {reason}", OTHER_VOICES)

    def _resolve_device(self) -> str:
        if self.checkpoint.family != "hibari":
            return super()._resolve_device()
        if self._device not in ("auto", "cpu"):
            raise InputError(
                f"The voice {self.model!r} doesn't run on the device {self._device!r}", "Use device='auto'"
            )
        return "cpu"


def _write(speech: Speech, output_path: str | os.PathLike[str]) -> str:
    with AudioWriter(output_path, speech.sample_rate, metadata=speech.metadata) as writer:
        for chunk in speech.chunks:
            writer.write(chunk.samples)
    return os.fspath(output_path)


def _code(language: str, languages: tuple[str, ...]) -> str:
    """Return the code of a language; a voice may know one that has no code of two letters."""
    plain = language.strip().lower()
    return plain if plain in languages else language_code(language)


def _known(languages: tuple[str, ...]) -> tuple[str, ...]:
    return () if languages == ("multilingual",) else languages
