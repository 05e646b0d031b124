"""What text to speech gives: spoken sentences, and encoded sound piece by piece."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium.media.audio_encoder import SoundFormat, encode_sound
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.record import Record
from sensorium.speech.speakable_text import cut_long_sentence
from sensorium.speech.voice import Voice
from sensorium.streaming import ResultStream
from sensorium.text.sentences import split_sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


@dataclass(frozen=True, eq=False, repr=False)
class SpokenSound(Record):
    """Encoded speech as a whole.

    Attributes:
        format: ``"mp3"``, ``"opus"``, ``"aac"``, ``"flac"``, ``"wav"`` or ``"pcm"``.
        media_type: Its media type, such as ``"audio/mpeg"``.
        sample_rate: Samples a second of the encoded sound.
        duration: How long it lasts, in seconds.
        model: Name of the checkpoint.
        seed: The seed that makes the same speech again.
    """

    format: str
    media_type: str
    sample_rate: int
    duration: float
    model: str
    seed: int


@dataclass(frozen=True)
class Speech:
    """Speech on its way out of a voice.

    Attributes:
        chunks: Its sentences, spoken as they are asked for.
        sample_rate: Samples a second.
        model: Name of the checkpoint.
        seed: The seed of its first sentence.
        origin: Whose voice it is, how it was made and, for a cloned one, who agreed to it.
    """

    chunks: Generator[SpeechChunk, None, None]
    sample_rate: int
    model: str
    seed: int
    origin: str

    @property
    def metadata(self) -> dict[str, str]:
        """The tags of a sound file that holds it."""
        return {"comment": f"Generated speech, spoken by no human: {self.origin}"}


class EncodedSpeech(ResultStream[bytes, SpokenSound]):
    """Encoded speech, piece by piece as sentences are spoken; joined, the pieces are a sound file.

    What a server says before the first piece is known from the beginning; ``result`` is a `SpokenSound`.

    Args:
        speech: What is spoken.
        form: How it is encoded.
    """

    def __init__(self, speech: Speech, form: SoundFormat) -> None:
        self.format = form.name
        self.media_type = form.media_type
        self.sample_rate = form.encoded_rate(speech.sample_rate)
        self.seed = speech.seed
        super().__init__(self._encoded(speech, form))

    def _encoded(self, speech: Speech, form: SoundFormat) -> Generator[bytes, None, SpokenSound]:
        blocks = (chunk.samples for chunk in speech.chunks)
        try:
            count = yield from encode_sound(blocks, speech.sample_rate, form, metadata=speech.metadata)
        finally:
            speech.chunks.close()
        duration = count / speech.sample_rate
        return SpokenSound(self.format, self.media_type, self.sample_rate, duration, speech.model, self.seed)


def spoken_sentences(
    voice: Voice,
    speaker: Any,
    text: str,
    *,
    language: str | None,
    speed: float,
    seed: int,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Generator[SpeechChunk, None, None]:
    """Speak a text sentence by sentence.

    Args:
        voice: Who speaks.
        speaker: From the voice's ``speaker`` or ``imitate``.
        text: Each line of which is at least a sentence, without what the voice can't read.
        language: Code of its language; None where only the voice can know.
        speed: 1 is the voice's own pace.
        seed: Of the first sentence; each one after it has the next number.
        progress: Told the characters spoken.
        cancel: Stops the work.
    """
    start = 0.0
    for number, (part, done) in enumerate(_parts(voice, text, language)):
        check_cancelled(cancel)
        report(progress, "speaking", done, len(text), "characters")
        samples = voice.speak(part, speaker=speaker, speed=speed, seed=seed + number, cancel=cancel)
        if len(samples):
            yield SpeechChunk(samples, voice.sample_rate, part, start)
            start += len(samples) / voice.sample_rate
    report(progress, "speaking", len(text), len(text), "characters")


def _parts(voice: Voice, text: str, language: str | None) -> Iterator[tuple[str, int]]:
    """Yield what is spoken at once, as words, and how many characters of the text were spoken before it."""
    done = 0
    known = (language or "", *voice.languages) if len(voice.languages) == 1 else (language or "",)
    for sentence in split_sentences(text, next(filter(None, known), "")):
        # Cut twice: written out, a sentence is longer; and writing out takes ages where it is long.
        for piece in cut_long_sentence(sentence, voice.longest_sentence):
            for part in cut_long_sentence(voice.written_out(piece, language), voice.longest_sentence):
                yield part, done
        done += len(sentence)
