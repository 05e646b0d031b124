"""The channels of a piece of sound, and their mean, as players make it for a single loudspeaker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARES = {"FL": 0.7071, "FR": 0.7071, "FC": 1.0, "LFE": 0.0, "LFE2": 0.0}
"""How much of each front channel goes into mono (ITU-R BS.775). Of those at the sides, behind and above, 0.5 does."""


@dataclass(frozen=True)
class Channels:
    """A piece of a sound track, channel by channel.

    Attributes:
        samples: float32 array of shape [channels, samples].
        shares: How much of each channel goes into mono; they add up to 1, so that nothing clips.
        rate: Samples a second.
        position: Index of the first sample at this rate, counted from the beginning of the file.
    """

    samples: NDArray[np.float32]
    shares: tuple[float, ...]
    rate: int
    position: int


@dataclass(frozen=True)
class Sound:
    """A piece of a sound track.

    Attributes:
        samples: float32 array of shape [samples].
        rate: Samples a second.
        position: Index of the first sample at this rate, counted from the beginning of the file.
    """

    samples: NDArray[np.float32]
    rate: int
    position: int


def channels_of(frame: Any, rate: int, position: int, *, name: str) -> Channels:
    """Return what a frame of any format contains.

    Args:
        frame: A PyAV frame.
        rate: Samples a second.
        position: Index of its first sample.
        name: The file's name in messages.

    Raises:
        InputError: Sound stored in this way can't be read.
    """
    import numpy as np

    try:
        samples = frame.to_ndarray()
    except ValueError:
        raise InputError(
            f"The sound of {name} is stored as {frame.format.name}, which can't be read", "Convert it to FLAC"
        ) from None
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    kind = samples.dtype.kind
    full = 2.0 ** (8 * samples.itemsize - 1)
    samples = samples.astype(np.float32)
    if kind == "f":
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    else:
        samples = (samples - full if kind == "u" else samples) / np.float32(full)
    return Channels(samples, shares_of(frame), rate, position)


def shares_of(frame: Any) -> tuple[float, ...]:
    """Return how much of each channel of a frame goes into mono."""
    names = [channel.name for channel in frame.layout.channels]
    surround = len(names) > 2 and "FL" in names
    shares = [_SHARES.get(name, 0.5) if surround else 1.0 for name in names]
    return tuple(share / sum(shares) for share in shares)


def mixed(pieces: Iterator[Channels]) -> Iterator[Sound]:
    """Give each channel its share in mono."""
    for piece in pieces:
        yield mean(piece)


def mean(piece: Channels) -> Sound:
    """Return the mean of the channels, weighted by their shares."""
    import numpy as np

    return Sound(np.array(piece.shares, np.float32) @ piece.samples, piece.rate, piece.position)
