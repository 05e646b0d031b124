"""Sound that comes in blocks, of which a stretch is kept: read ahead as far as needed, and forgotten behind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


class KeptSound:
    """A stretch of a stream of samples.

    Args:
        blocks: float32 mono, of any lengths.
    """

    def __init__(self, blocks: Iterable[Samples]) -> None:
        import numpy as np

        self._blocks = iter(blocks)
        self._samples: Samples = np.zeros(0, np.float32)
        self._start = 0
        self.ended = False

    @property
    def stop(self) -> int:
        """One past the last sample that was read: of the whole recording, once it has `ended`."""
        return self._start + len(self._samples)

    def read_to(self, sample: int) -> None:
        """Read on until there are so many samples, or the recording ends."""
        import numpy as np

        waiting = [self._samples]
        length = self.stop
        while length < sample and not self.ended:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            else:
                waiting.append(block)
                length += len(block)
        if len(waiting) > 1:
            self._samples = np.concatenate(waiting)

    def between(self, start: int, stop: int) -> Samples:
        """Return a part of what is kept, less what lies after the end of the recording."""
        return self._samples[max(0, start) - self._start : max(0, stop) - self._start]

    def forget(self, before: int) -> None:
        """Drop what lies before a sample."""
        start = min(max(before, self._start), self.stop)
        self._samples = self._samples[start - self._start :].copy()
        self._start = start
