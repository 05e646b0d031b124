"""Another sample rate for a stream of mono samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from sensorium.media.channels import Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def resample(pieces: Iterator[Sound], rate: int) -> Iterator[Sound]:
    """Change the sample rate (polyphase filter of libswresample).

    Args:
        pieces: Pieces that follow each other; their own rate may change on the way.
        rate: Samples a second of the result.

    Yields:
        Pieces that follow each other.
    """
    position: int | None = None
    converter = Converter(rate, rate)
    for piece in pieces:
        if position is None:
            # Begin where samples of both rates fall on the same instant: then a window is cut from the
            # very samples that the whole would have.
            piece = _without(piece, -piece.position % (piece.rate // math.gcd(piece.rate, rate)))
            if not len(piece.samples):
                continue
            position = piece.position * rate // piece.rate
        outputs: Iterator[NDArray[np.float32]] = iter(())
        if piece.rate != converter.source:
            outputs = converter.finish()
            converter = Converter(piece.rate, rate)
        for samples in chain(outputs, converter.push(piece.samples)):
            yield Sound(samples, rate, position)
            position += len(samples)
    for samples in converter.finish():
        assert position is not None
        yield Sound(samples, rate, position)
        position += len(samples)


def _without(piece: Sound, count: int) -> Sound:
    return Sound(piece.samples[count:], piece.rate, piece.position + count)


class Converter:
    """Changes the rate of one row of samples, which are handed over piece by piece.

    Args:
        source: Samples a second of what comes in.
        target: Samples a second of what goes out.
    """

    def __init__(self, source: int, target: int) -> None:
        import av

        self.source = source
        self._resampler = None if source == target else av.AudioResampler(format="flt", layout="mono", rate=target)

    def push(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take samples; yield those that are done."""
        import av
        import numpy as np

        if self._resampler is None:
            yield samples
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
        frame.sample_rate = self.source
        yield from (out.to_ndarray()[0] for out in self._resampler.resample(frame))

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Yield the last samples."""
        if self._resampler is not None:
            yield from (out.to_ndarray()[0] for out in self._resampler.resample(None))
