"""Fit the rule that tells speech from text that a Whisper invented; prints the weights of `invented_text`.

Takes the speech and the sounds of ``tests/real_media.toml`` that are for fitting, the speech also quiet, in noise, over
a telephone and fast, and speech played backwards, as a voice without words.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sensorium.media.audio import read_audio
from sensorium.speech.invented_text import evidence
from sensorium.speech.recogniser import SAMPLE_RATE, Recogniser, Told
from sensorium.speech.recognition import filled_up
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.voice_activity import speech_windows, voice_in
from tests import real_media
from tests.speech.spoilt_speech import SPOILT, backwards

Samples = NDArray[np.float32]

LOST_WEIGHS = 3.0
"""A lost word is as bad as so many invented ones."""
RIDGE = 0.01
LANGUAGES = ("es", "it")
LONGEST = 5 * SAMPLE_RATE


def main() -> None:
    """Print the weights, and how the rule does on what it was fitted to."""
    with SpeechToText() as speech_to_text:
        recogniser = speech_to_text.backend
        spoken = [row for samples in speech() for row in rows(recogniser, samples)]
        invented = [row for samples in sounds() for row in rows(recogniser, samples)]
    values = np.array([*spoken, *invented])
    is_spoken = np.arange(len(values)) < len(spoken)
    weights, constant = fit(values, is_spoken)
    scores = values @ weights + constant
    print("weights:", *np.round(weights, 2), "constant:", round(constant, 2))
    print(f"lost: {(scores[is_spoken] < 0).sum()} of {len(spoken)} windows with speech")
    print(f"invented: {(scores[~is_spoken] >= 0).sum()} of {len(invented)} windows without")


def fit(values: NDArray[np.float64], is_spoken: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Return the weights and the constant of a logistic regression with a ridge; both kinds count as much."""
    means, spread = values.mean(axis=0), values.std(axis=0)
    scaled = (values - means) / spread
    share = np.where(is_spoken, LOST_WEIGHS / is_spoken.sum(), 1 / (~is_spoken).sum())

    def loss(parameters: NDArray[np.float64]) -> float:
        scores = scaled @ parameters[1:] + parameters[0]
        right = np.where(is_spoken, scores, -scores)
        return float((share * np.logaddexp(0, -right)).sum() / share.sum() + RIDGE * (parameters[1:] ** 2).sum())

    constant, *scaled_weights = minimize(loss, np.zeros(values.shape[1] + 1)).x
    weights = np.array(scaled_weights) / spread
    return weights, float(constant - weights @ means)


def speech() -> Iterator[Samples]:
    """Yield recordings with speech."""
    clips = [clip for language in LANGUAGES for clip in real_media.speech_clips(language)[:4]]
    clips += [clip for language in ("zh", "ja", "pt", "pl", "hi") for clip in real_media.synthetic_clips(language)[:1]]
    clips += real_media.spoken_labels()
    words = real_media.spoken_words("fitting")
    for clip in [*clips, *words]:
        yield read_audio(clip.path)[:LONGEST]
    for spoil in SPOILT.values():
        for clip in [*clips[::3], *words[::2]]:
            yield spoil(read_audio(clip.path)[:LONGEST])


def sounds() -> Iterator[Samples]:
    """Yield recordings in which nobody speaks."""
    for path in real_media.sounds("fitting").values():
        yield read_audio(path)
    for language in LANGUAGES:
        for clip in real_media.speech_clips(language)[:4]:
            yield backwards(read_audio(clip.path))[:LONGEST]


def rows(recogniser: Recogniser, samples: Samples) -> Iterator[tuple[float, ...]]:
    """Yield the evidence of each window in which something is recognised."""
    for window in speech_windows([samples], longest=28):
        encoded = recogniser.encode([window.samples], longest=filled_up(window))
        (likely,) = recogniser.language_probabilities(encoded)
        told = Told(max(likely, key=likely.__getitem__))
        (recognition,) = recogniser.recognise(encoded, told, needs_words=lambda *_: False)
        if recognition.text.strip():
            yield evidence(recognition, voice_in(window), window.seconds)


if __name__ == "__main__":
    main()
