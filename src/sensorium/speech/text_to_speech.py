"""Text to speech: `TextToSpeech`, spoken sentence by sentence in constant memory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sensorium.errors import InputError
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.record import Record
from sensorium.speech.speakable_text import check_speakable, cut_long_sentence
from sensorium.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.speech.hibari_voice import HibariVoice

MIN_SPEED = 0.5
MAX_SPEED = 2.0


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


class TextToSpeech(Task["HibariVoice"]):
    """A voice that reads text aloud.

    Args:
        model: Catalog name, or None for the profile's default.
        device: ``"auto"`` or ``"cpu"``.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known.
    """

    task = "text-to-speech"
    families: ClassVar = {"hibari": "sensorium.speech.hibari_voice:HibariVoice"}
    uses_torch = False

    def synthesize(
        self,
        text: str,
        output_path: str | os.PathLike[str] = "output.wav",
        *,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> str:
        """Speak a text into a sound file. Its metadata says that the speech is generated, by which voice and seed.

        Args:
            text: English text of any length. ``[word](/phonemes/)`` sets a pronunciation.
            output_path: Where to; the suffix chooses the format (.wav .flac .mp3 .opus .ogg .m4a .aac). The file
                appears complete or not at all.
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
        from sensorium.media.audio import AudioWriter

        seed = secrets.randbelow(2**32) if seed is None else seed
        chunks = self.stream(text, speed=speed, seed=seed, language=language, progress=progress, cancel=cancel)
        origin = f"Generated speech, spoken by no human: voice {self.model}, speed {speed:g}, seed {seed}"
        with AudioWriter(output_path, self.backend.sample_rate, metadata={"comment": origin}) as writer:
            for chunk in chunks:
                writer.write(chunk.samples)
        return os.fspath(output_path)

    def stream(
        self,
        text: str,
        *,
        speed: float = 1.0,
        seed: int | None = None,
        language: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[SpeechChunk]:
        """Yield a text sentence by sentence, each as soon as it is spoken; memory stays flat.

        Arguments and errors are those of `synthesize`.
        """
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise InputError(f"The speed {speed} is out of range", f"Choose from {MIN_SPEED:g} to {MAX_SPEED:g}")
        if seed is not None and seed < 0:
            raise InputError(f"The seed {seed} is negative", "Choose 0 or more")
        readable = check_speakable(text, languages=self.checkpoint.languages, language=language, voice=self.model)
        backend = self.load(progress=progress, cancel=cancel).backend
        return _speak(backend, readable, speed, seed, progress, cancel)

    def _resolve_device(self) -> str:
        if self._device not in ("auto", "cpu"):
            raise InputError(
                f"The voice {self.model!r} doesn't run on the device {self._device!r}", "Use device='auto'"
            )
        return "cpu"


def _speak(
    voice: HibariVoice,
    text: str,
    speed: float,
    seed: int | None,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Iterator[SpeechChunk]:
    import numpy as np

    noise = np.random.default_rng(seed)
    spoken = start = 0.0
    for sentence in voice.sentences(text):
        for part in cut_long_sentence(sentence):
            check_cancelled(cancel)
            report(progress, "speaking", spoken, len(text), "characters")
            samples = voice.speak(part, speed=speed, noise=noise)
            spoken += len(part)
            if len(samples):
                yield SpeechChunk(samples, voice.sample_rate, part, start)
                start += len(samples) / voice.sample_rate
    report(progress, "speaking", len(text), len(text), "characters")
