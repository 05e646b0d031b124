"""Which channels of a few seconds of sound somebody speaks into, and how they are mixed so that it is understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium.media.voice_detector import FRAME, VoiceDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

_AUDIBLE = 1e-6
"""A channel with less of the power of the loudest one (60 dB) is taken for empty."""
_SAME = 0.9999
"""From this correlation on, two channels have one content."""
_RELATED = 0.5
"""From this correlation on, it can be told whether the phases of two channels agree or are opposite."""
_DISTURBING = 0.01
"""A channel disturbs a voice if it has more of its power (20 dB) while nobody speaks into the channel."""
_COMMON = 0.7
"""A channel with this part of all that is spoken is one of those that are meant to be heard together."""
_SURE = 0.5
"""How sure the detector must be that somebody speaks."""
_FEW = 8
"""Fewer frames of speech (0.25 s) tell nothing."""
_PADDING = 8
"""Frames around speech that count as speech: consonants at the edges are quiet."""
_MUCH_BETTER = 2.0
"""How much more speech must be heard in the difference of two channels before it is preferred to their sum."""


@dataclass(frozen=True)
class _Source:
    """Channels with one content.

    Attributes:
        channels: Their numbers, and for each 1 or -1: whether its phase is that of the first.
        spare: Whether the mean has nothing of it, as of the bass of a film.
        samples: float32 array of shape [samples]: what the channels give to the mixture.
        sharpened: The same with high pitches raised, so that hum and rumble don't count.
        speech: For each frame whether somebody speaks.
    """

    channels: dict[int, float]
    spare: bool
    samples: Floats
    sharpened: Floats
    speech: Flags

    @property
    def power(self) -> Floats:
        """For each frame its power."""
        return _power(self.sharpened.reshape(-1, FRAME))


def judge(heard: Floats, shares: Sequence[float], signs: Floats) -> Floats | None:
    """Say how much of each channel is taken.

    Args:
        heard: float32 array of shape [channels, samples] at the rate of the voice detector.
        shares: How much of each channel is in the mean.
        signs: For each channel 1, or -1 if it was turned round so far, which counts where nothing can be told.

    Returns:
        float32 array of shape [channels, frames]; None for the mean.
    """
    heard = heard[:, : heard.shape[1] // FRAME * FRAME]
    if not heard.any():
        return None
    amounts = np.array([share or 1 / len(shares) for share in shares], np.float32)
    plain = np.array(shares, np.float32)
    sources = _sources(heard, amounts, plain)
    factors = _factors(sources, np.array([signs[min(source.channels)] for source in sources]))
    taken = np.repeat(plain[:, None], factors.shape[1], axis=1)
    for source, factor in zip(sources, factors, strict=True):
        for channel, sign in source.channels.items():
            taken[channel] = amounts[channel] * sign * factor
    return None if (taken == plain[:, None]).all() else taken


def _sources(heard: Floats, amounts: Floats, plain: Floats) -> list[_Source]:
    """Put channels with one content together; empty ones are left out."""
    sharpened = heard.copy()
    sharpened[:, 1:] -= 0.95 * heard[:, :-1]
    power = _power(sharpened)
    related = _correlation(sharpened)
    groups: list[dict[int, float]] = []
    for channel in np.flatnonzero(power > _AUDIBLE * power.max()).tolist():
        for group in groups:
            relation = related[min(group), channel]
            if abs(relation) > _SAME and plain[channel] and plain[min(group)]:
                group[channel] = float(np.sign(relation))
                break
        else:
            groups.append({channel: 1.0})
    found = []
    for group in groups:
        weights = amounts[list(group)] * np.array(list(group.values()), np.float32)
        samples = weights @ heard[list(group)]
        alone = len(groups) == 1 and bool(plain[min(group)])  # then it doesn't matter when somebody speaks
        speech = np.zeros(len(samples) // FRAME, bool) if alone else _speech(samples)
        found.append(_Source(group, not plain[min(group)], samples, weights @ sharpened[list(group)], speech))
    return found


def _factors(sources: list[_Source], signs: Floats) -> Floats:
    """Return how much of each source is taken, frame by frame: 0 or 1, or -1 where it is turned round."""
    plain = np.ones((len(sources), len(sources[0].speech)), np.float32)
    plain[[source.spare for source in sources]] = 0.0
    if len(sources) == 1 and plain.any():
        return plain * signs[:, None]
    chosen = _gates(sources, plain) * _signs(sources, signs)[:, None]
    others = [] if np.array_equal(chosen, plain) else [(plain, 1.1)]
    heard_apart = np.any([source.speech for source in sources], axis=0).mean()
    if len(sources) == 2 and plain.all() and heard_apart < 1 / _MUCH_BETTER:
        others.append((plain * np.array([[1.0], [-1.0]], np.float32), _MUCH_BETTER))
    if others:
        most = _frames_of_speech(sources, chosen)
        for other, better in others:
            count = _frames_of_speech(sources, other)
            if count > better * most + _FEW:
                chosen, most = other, count
    return chosen


def _gates(sources: list[_Source], plain: Floats) -> Floats:
    """Shut a source that disturbs while nobody speaks in it; open one that is missing in the mean if it is needed."""
    gates = plain.copy()
    usual = [source for source in sources if not source.spare]
    spoken = np.any([np.zeros_like(sources[0].speech), *(source.speech for source in usual)], axis=0)
    levels = [float(source.power[source.speech].mean()) for source in usual if source.speech.sum() >= _FEW]
    for gate, source in zip(gates, sources, strict=True):
        near = np.convolve(source.speech, np.ones(2 * _PADDING + 1))[_PADDING:-_PADDING] > 0
        count = source.speech.sum()
        if source.spare:
            alone = (source.speech & ~spoken).sum()
            if alone >= max(4 * _FEW, count / 4):
                gate[near] = 1.0
        elif count < _COMMON * spoken.sum() and not near.all() and levels:
            disturbs = source.power[~near].mean() > _DISTURBING * max(levels)
            gate[~near] *= not disturbs
    return gates


def _signs(sources: list[_Source], signs: Floats) -> Floats:
    """Return 1 for each source, or -1 if its phase is opposite to that of the others."""
    spoken = np.any([source.speech for source in sources], axis=0)
    frames = spoken if spoken.sum() >= _FEW else np.ones_like(spoken)
    sharpened = np.stack([source.sharpened.reshape(-1, FRAME)[frames].reshape(-1) for source in sources])
    related = _correlation(sharpened)
    settled: list[int] = []
    found = signs.copy()
    for number in np.argsort(-_power(sharpened)).tolist():
        if settled:
            nearest = max(settled, key=lambda other: abs(related[number, other]))
            if abs(related[number, nearest]) > _RELATED:
                found[number] = found[nearest] * np.sign(related[number, nearest])
        settled.append(number)
    return found


def _frames_of_speech(sources: list[_Source], factors: Floats) -> int:
    each = [source.samples * np.repeat(factor, FRAME) for source, factor in zip(sources, factors, strict=True)]
    return int(_speech(np.sum(each, axis=0)).sum())


def _speech(samples: Floats) -> Flags:
    return VoiceDetector().probabilities(samples) > _SURE


def _power(samples: Floats) -> Floats:
    power: Floats = np.square(samples).mean(axis=-1)
    return power


def _correlation(rows: Floats) -> Floats:
    scaled = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-30))
    related: Floats = (scaled @ scaled.T).astype(np.float32)
    return related
