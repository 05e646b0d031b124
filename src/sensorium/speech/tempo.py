"""Speech made quicker or slower at the same pitch, for voices that have no pace of their own to set."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def change_tempo(samples: NDArray[np.float32], sample_rate: int, speed: float) -> NDArray[np.float32]:
    """Return sound played ``speed`` times as fast, from 0.5 to 2, with its pitch kept (FFmpeg's filter atempo).

    Args:
        samples: float32 mono.
        sample_rate: Samples a second.
        speed: 1 changes nothing.
    """
    if speed == 1.0 or not len(samples):
        return samples
    import av
    import numpy as np

    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono", time_base=Fraction(1, sample_rate))
    tempo = graph.add("atempo", f"{speed:.6f}")
    sink = graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
    frame.sample_rate = sample_rate
    frame.time_base = Fraction(1, sample_rate)
    frame.pts = 0
    graph.push(frame)
    graph.push(None)
    pieces = []
    while True:
        try:
            piece: Any = sink.pull()
            pieces.append(piece.to_ndarray().reshape(-1))
        except (av.error.BlockingIOError, av.error.EOFError):
            break
    # The filter holds back what is shorter than its window of a few hundredths of a second.
    return np.concatenate(pieces).astype(np.float32) if pieces else samples
