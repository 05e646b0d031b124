"""What a backend of `SpeechToText` is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sensorium.progress import Cancellation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.speech.recognised_text import Recognition, SpokenWord

    Samples = NDArray[np.float32]

SAMPLE_RATE = 16_000
"""What recognisers hear, in samples a second."""
INITIAL_PROMPT, HOTWORDS = "initial prompt", "hotwords"


@dataclass(frozen=True)
class Encoded:
    """Windows that were prepared together.

    Attributes:
        windows: float32 mono at 16 kHz.
        longest: Seconds to which they were filled up.
        features: What the backend made of them: of Whisper the encoder's output, of shape [windows, frames / 2, width].
    """

    windows: Sequence[Samples]
    longest: float
    features: Any = None


@dataclass(frozen=True)
class Told:
    """What a recogniser is told beside the sound.

    Attributes:
        language: Code of the language; "" if nobody knows it.
        task: ``"transcribe"`` or ``"translate"``.
        initial_prompt: Text in whose style and spelling to go on.
        hotwords: Words to expect.
    """

    language: str
    task: str = "transcribe"
    initial_prompt: str | None = None
    hotwords: str | None = None


@runtime_checkable
class Recogniser(Protocol):
    """A loaded checkpoint that writes down what is said in windows of at most 30 seconds.

    Attributes:
        batch_size: How many windows are best recognised together.
        multilingual: Whether it understands other languages than English.
        translates: Whether it was trained to translate into English.
        takes: What it takes beside the sound: `INITIAL_PROMPT`, `HOTWORDS`, both or neither.
        times_words: Whether it tells when words are spoken. If not, an `Aligner` does.
        words_are_timed_well: Whether the times of its words can be relied on.
        must_be_told_language: Whether it can't find out the language by itself.
        languages: Codes of the languages that it can be told; empty if that isn't known.
        judges_speech: Whether it tells how likely nobody speaks.
    """

    batch_size: int
    multilingual: bool
    translates: bool
    takes: Collection[str]
    times_words: bool
    words_are_timed_well: bool
    must_be_told_language: bool
    languages: tuple[str, ...]
    judges_speech: bool

    def encode(self, windows: Sequence[Samples], *, longest: float | None = None) -> Encoded:
        """Prepare windows of at most 30 seconds.

        Args:
            windows: float32 mono at 16 kHz.
            longest: Seconds to which they are filled up; by default those of the longest.
        """

    def some(self, encoded: Encoded, numbers: list[int]) -> Encoded:
        """Return some of the windows, as if they had been prepared without the others."""

    def recognise(
        self,
        encoded: Encoded,
        told: Told,
        *,
        needs_words: Callable[[int, str], bool],
        cancel: Cancellation | None = None,
    ) -> list[Recognition]:
        """Recognise windows together.

        Args:
            encoded: From `encode`.
            told: What there is to know beside the sound.
            needs_words: Told the number of a window and its text, says whether its words need times.
            cancel: Stops it, within a token where the library can be stopped.

        Returns:
            One result for each window.

        Raises:
            UnsupportedError: The checkpoint doesn't know the language.
            CancelledError: ``cancel`` was set.
        """


@runtime_checkable
class LanguageListener(Recogniser, Protocol):
    """A recogniser that tells which language is likely, before it writes anything down."""

    def language_probabilities(self, encoded: Encoded) -> list[dict[str, float]]:
        """Return for each window how likely each language is."""

    def piece_language_probabilities(
        self, encoded: Encoded, pieces: Sequence[tuple[int, float, float]]
    ) -> list[dict[str, float]]:
        """Return for pieces of windows how likely each language is.

        Args:
            encoded: From `encode`.
            pieces: Numbers of windows, and where in them the pieces begin and end, in seconds.
        """


@runtime_checkable
class Aligner(Protocol):
    """A loaded checkpoint that tells when the words of a text are spoken that somebody else has written down."""

    def align(
        self, windows: Sequence[Samples], texts: Sequence[str], languages: Sequence[str]
    ) -> list[tuple[SpokenWord, ...]]:
        """Return when words are spoken.

        Args:
            windows: float32 mono at 16 kHz, of at most 30 seconds.
            texts: What is said in each.
            languages: The code of each one's language; "" if nobody knows it.

        Returns:
            The words of each window with their times; joined, they are the text. None where the text is too long.

        Raises:
            UnsupportedError: The checkpoint doesn't know a language.
        """
