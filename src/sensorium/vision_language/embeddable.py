"""What an encoder of one space takes beside pictures: stretches of sound, and passages of texts to be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from sensorium.errors import InputError
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import ResolvedMedia

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.media.container import WarningCallback
    from sensorium.media.image import ImageSource
    from sensorium.media.source import MediaSource
    from sensorium.progress import Cancellation

    SoundSource: TypeAlias = MediaSource | NDArray[np.float32]
    Embeddable: TypeAlias = "ImageSource | SoundWindow | Passage"

Role: TypeAlias = Literal["query", "document"]
"""What a text is: what is looked for, or what is to be found."""

_SHORTEST = 0.5
"""In seconds: what is left at the end of a recording is not worth a window of its own if it is shorter."""


@dataclass(frozen=True, eq=False)
class SoundWindow:
    """A stretch of sound that an encoder takes at once.

    Attributes:
        time: Where it begins in its recording, in seconds.
        samples: float32 mono ``[samples]``, values in [-1, 1], at the encoder's sample rate.
    """

    time: float
    samples: NDArray[np.float32]


@dataclass(frozen=True)
class Passage:
    """A piece of a text that is to be found."""

    text: str


def sound_windows(
    source: SoundSource,
    seconds: float,
    sample_rate: int,
    *,
    limits: Limits = DEFAULT_LIMITS,
    on_warning: WarningCallback | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[SoundWindow]:
    """Yield a recording, or the sound of a film, in windows that follow each other; one is in memory at a time.

    Args:
        source: A file, or float32 mono samples at ``sample_rate``.
        seconds: Length of a window; the last one is shorter.
        sample_rate: Samples a second.
        limits: What a file may cost.
        on_warning: Told what is missing or damaged.
        cancel: Stops reading.

    Raises:
        InputError: The file can't be read, or has no sound.
        CancelledError: ``cancel`` was set.
    """
    import numpy as np

    from sensorium.media.audio import stream_audio
    from sensorium.progress import check_cancelled

    size = round(seconds * sample_rate)
    if isinstance(source, np.ndarray):
        blocks: Iterator[NDArray[np.float32]] = (source[at : at + size] for at in range(0, len(source), size))
    else:
        blocks = stream_audio(
            source, sample_rate=sample_rate, block_seconds=seconds, limits=limits, on_warning=on_warning, cancel=cancel
        )
    number = 0
    for block in blocks:
        check_cancelled(cancel)
        if number == 0 or len(block) >= _SHORTEST * sample_rate:
            yield SoundWindow(number * seconds, block)
        number += 1
    if number == 0:
        name = source.name if isinstance(source, ResolvedMedia) else "The recording"
        raise InputError(f"{name} holds no sound", "Choose another recording")
