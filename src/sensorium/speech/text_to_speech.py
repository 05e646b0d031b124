"""Text to speech: `TextToSpeech`, streaming by sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sensorium.errors import InputError
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.record import Record
from sensorium.task import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sensorium.speech.hibari_voice import HibariVoice


@dataclass(frozen=True, eq=False, repr=False)
class SpeechChunk(Record):
    """A spoken sentence.

    Attributes:
        samples: float32 mono in [-1, 1].
        sample_rate: Samples a second.
        text: What is said.
        start: Where it begins in the whole, in seconds.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    text: str
    start: float


class TextToSpeech(Task["HibariVoice"]):
    """A voice that reads text aloud.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``.
        dtype: ``"auto"``.
    """

    task = "text-to-speech"
    families: ClassVar = {"hibari": "sensorium.speech.hibari_voice:HibariVoice"}

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
        """Speak a text into a WAV, FLAC, MP3 or Opus file (by suffix); return its path."""
        from sensorium.media.audio import AudioWriter

        chunks = self.stream(text, speed=speed, seed=seed, language=language, progress=progress, cancel=cancel)
        with AudioWriter(output_path, 24000) as writer:
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
        """Yield a text sentence by sentence as it is spoken."""
        if not text.strip():
            raise InputError("There is no text to speak", "Give at least one word")
        start = 0.0
        voice: Any = self.backend.voice
        for samples in voice.stream(text, speed=speed, seed=seed):
            check_cancelled(cancel)
            yield SpeechChunk(samples, 24000, text, start)
            start += len(samples) / 24000
