"""Whether somebody said what a Whisper wrote down, or it made words of laughter, an animal or music.

No single figure tells: the voice detector takes a cry for a voice, and the model is unsure of single words and of small
languages. So they are weighed together, by a logistic regression. How likely the language is was tried and left out:
laughter is surely English, and a word in Galician nothing in particular.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium.speech.voice_activity import voice_in

if TYPE_CHECKING:
    from sensorium.speech.recognised_text import Recognition
    from sensorium.speech.voice_activity import Voice, Window

_LONG = 4.0
"""Of so much sound, in seconds, the model is sure if it is speech; of a single word it may not be."""
_USUAL_COMPRESSION = 1.3
_WEIGHTS = (6.02, 8.96, 1.29, 3.57, -3.12, -2.96)
_CONSTANT = -7.86
"""Fitted by ``python training/invented_text/fit.py``, which prints them again, to speech and sounds that took no part
in judging it (``tests/speech/test_invented_text.py``)."""


def evidence(recognition: Recognition, voice: Voice, seconds: float) -> tuple[float, ...]:
    """Return what speaks for and against speech, in the order of the weights.

    Args:
        recognition: What was recognised in a window.
        voice: What the voice detector says of it.
        seconds: How long it is.
    """
    sure = recognition.average_log_probability
    return (
        voice.mean,
        voice.peak,
        sure,
        sure * min(1.0, seconds / _LONG),
        recognition.no_speech_probability,
        max(0.0, recognition.compression_ratio - _USUAL_COMPRESSION),
    )


def is_invented(recognition: Recognition, window: Window) -> bool:
    """Return whether nobody said what was recognised in a window; False where nothing was.

    Args:
        recognition: From a recogniser that tells how likely nobody speaks.
        window: The window.
    """
    if not recognition.text.strip():
        return False
    found = evidence(recognition, voice_in(window), window.seconds)
    return _CONSTANT + sum(weight * value for weight, value in zip(_WEIGHTS, found, strict=True)) < 0
