"""What a model recognised in a window, and whether it repeats itself."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

LOOP_COMPRESSION = 2.4
"""Text that zlib makes smaller than by this factor repeats itself (Radford et al.)."""
_NO_SPEECH = 0.6
_LOW_LOG_PROBABILITY = -1.0
"""Text is dropped where the model says that nobody speaks and is unsure of the text too (Radford et al.)."""
_LOOP_SQUEEZED = 0.2
"""It is the model that repeats itself, and not the speaker, if more than this share of the words last no time."""


@dataclass(frozen=True)
class SpokenWord:
    """A word with its place in a window.

    Attributes:
        text: With the space before it, if it has one.
        start: Where it begins, in seconds from the beginning of the window.
        end: Where it ends, in seconds from the beginning of the window.
        probability: From 0 to 1.
    """

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Recognition:
    """What was recognised in a window.

    Attributes:
        text: All of it.
        words: In order; joined, they are the text. Empty where nobody asked for them.
        average_log_probability: Over the tokens.
        no_speech_probability: How likely nobody speaks.
        compression_ratio: How repetitive the text is.
        language: Code of the language that the model says it is in; "" where it doesn't.
    """

    text: str
    words: tuple[SpokenWord, ...]
    average_log_probability: float
    no_speech_probability: float
    compression_ratio: float
    language: str = ""

    @property
    def said(self) -> str:
        """The text; "" where the model says that nobody speaks, and is unsure of the text too."""
        nobody = self.no_speech_probability > _NO_SPEECH and self.average_log_probability < _LOW_LOG_PROBABILITY
        return "" if nobody else self.text.strip()


def compression_ratio(text: str) -> float:
    """Return how many times smaller zlib makes a text: how repetitive it is."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def loops(result: Recognition) -> bool:
    """Return whether the model repeats itself: repetitive text whose words pile up in no time.

    Somebody who really says the same thing again and again takes time for each word.
    """
    if result.compression_ratio <= LOOP_COMPRESSION:
        return False
    squeezed = sum(word.end - word.start < 0.03 for word in result.words)
    return squeezed > _LOOP_SQUEEZED * len(result.words)


def without_squeezed(result: Recognition) -> Recognition:
    """Keep the words up to the first that pile up."""
    kept = []
    for word in result.words:
        if word.end - word.start < 0.03:
            break
        kept.append(word)
    text = "".join(word.text for word in kept)
    return replace(result, text=text, words=tuple(kept), compression_ratio=compression_ratio(text))
