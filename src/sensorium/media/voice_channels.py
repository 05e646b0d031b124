"""Channels become one by what is spoken into them: opposite phases don't cancel, noise doesn't cover a voice.

Where the channels agree, or where nothing disturbs, the result is their mean, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sensorium.media.channels import Channels, Sound, mean
from sensorium.media.resampling import Converter
from sensorium.media.speaking_channels import judge
from sensorium.media.voice_detector import FRAME, SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_BLOCK_SECONDS = 20.0
"""How much is judged at once: enough to hear who speaks where, little enough to be held channel by channel."""
_MOST_HELD = 1 << 24
"""Samples of all channels together that are held before it is judged sooner."""


def mixed_by_voices(pieces: Iterator[Channels]) -> Iterator[Sound]:
    """Mix the channels so that what is spoken can be understood.

    A channel of opposite phase is turned round. A channel that is loud enough to disturb is left out while nobody
    speaks into it but somebody into another one. Voices keep the level that they have in the mean.

    Args:
        pieces: Pieces that follow each other.

    Yields:
        The same pieces, mixed. Up to 20 seconds are held.
    """
    mixer = _Mixer()
    held: list[Channels] = []
    for piece in pieces:
        if held and (piece.rate, piece.shares) != (held[0].rate, held[0].shares):
            yield from mixer.mix(held)
            held = []
        held.append(piece)
        length = sum(each.samples.shape[1] for each in held)
        channels = len(piece.shares)
        if channels == 1 or length >= _BLOCK_SECONDS * piece.rate or length * channels >= _MOST_HELD:
            yield from mixer.mix(held)
            held = []
    if held:
        yield from mixer.mix(held)


class _Mixer:
    """Mixes block by block; remembers how it did so last, so that nothing changes with a click."""

    def __init__(self) -> None:
        self._shares: tuple[float, ...] = ()
        self._last: Floats = np.zeros(0, np.float32)
        """How much of each channel is taken at the end of the last block; negative where it is turned round."""

    def mix(self, pieces: list[Channels]) -> Iterator[Sound]:
        """Yield the pieces, mixed."""
        if pieces[0].shares != self._shares:
            self._shares = pieces[0].shares
            self._last = np.array(self._shares, np.float32)
        plain = np.array(self._shares, np.float32)
        taken = self._judged(pieces)
        if taken is None and np.array_equal(self._last, plain):
            yield from map(mean, pieces)
            return
        taken = plain[:, None] if taken is None else taken
        yield from _with_amounts(pieces, np.hstack([self._last[:, None], taken]))
        self._last = taken[:, -1]

    def _judged(self, pieces: list[Channels]) -> Floats | None:
        if all(np.array_equal(piece.samples, piece.samples[:1].repeat(len(self._shares), 0)) for piece in pieces):
            return None
        return judge(_heard(pieces), self._shares, np.where(self._last < 0, -1, 1).astype(np.float32))


def _heard(pieces: list[Channels]) -> Floats:
    """Return the channels at the rate of the voice detector."""
    rows = []
    for channel in range(len(pieces[0].shares)):
        converter = Converter(pieces[0].rate, SAMPLE_RATE)
        parts = [part for piece in pieces for part in converter.push(piece.samples[channel])]
        rows.append(np.concatenate([*parts, *converter.finish()]))
    return np.stack(rows)


def _with_amounts(pieces: list[Channels], amounts: Floats) -> Iterator[Sound]:
    """Mix with amounts that change from frame to frame; the first ones are those just before the first frame."""
    times = (np.arange(-1, amounts.shape[1] - 1) + 0.5) * (FRAME / SAMPLE_RATE)
    begin = 0
    for piece in pieces:
        length = piece.samples.shape[1]
        now = (begin + np.arange(length)) / piece.rate
        mono = np.zeros(length, np.float32)
        for channel, amount in zip(piece.samples, amounts, strict=True):
            mono += channel * np.interp(now, times, amount).astype(np.float32)
        yield Sound(mono, piece.rate, piece.position)
        begin += length
