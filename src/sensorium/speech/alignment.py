"""What an aligner, a Whisper, adds where a recogniser writes text alone: the language, and the times of words."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sensorium.errors import UnsupportedError
from sensorium.speech.word_times import shared_out

if TYPE_CHECKING:
    from sensorium.speech.recognised_text import SpokenWord
    from sensorium.speech.recogniser import Aligner
    from sensorium.speech.voice_activity import Window


def likeliest_language(aligner: Aligner, window: Window, among: Collection[str] = ()) -> str:
    """Return the code of the language that is likeliest in a window; "" if the aligner knows none of them.

    Args:
        aligner: Hears it.
        window: The window.
        among: Codes of the languages that may be spoken; any if empty.
    """
    [likely] = aligner.language_probabilities(aligner.encode([window.samples]))
    possible = [code for code in likely if not among or code in among]
    return max(possible, key=likely.__getitem__, default="")


def aligned(aligner: Aligner, window: Window, text: str, language: str) -> tuple[tuple[SpokenWord, ...], bool]:
    """Return the words of a text that was written down of a window, and whether their times are exact.

    Args:
        aligner: Tells when they are spoken.
        window: The window.
        text: What is said in it.
        language: Code of its language. Where the aligner doesn't know it, the time is shared among the words.
    """
    try:
        [words] = aligner.align([window.samples], [text], [language])
    except UnsupportedError:
        words = ()
    if "".join(word.text for word in words).split() == text.split():
        return words, True
    return shared_out(text, window), False
