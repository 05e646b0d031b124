"""What a backend of `SpeakerDiarization` is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from sensorium.progress import Cancellation, ProgressCallback

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.speech.speaker_turns import Activity

    Samples = NDArray[np.float32]


class Diarizer(Protocol):
    """A loaded checkpoint that tells speakers apart.

    Attributes:
        most_speakers: How many people it tells apart …
        within: … in so many seconds; None for a whole recording.
    """

    most_speakers: int
    within: float | None

    def listen(
        self, blocks: Iterable[Samples], *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Iterator[Activity]:
        """Yield who is heard, stretch after stretch; memory stays flat however long the sound is.

        Args:
            blocks: float32 mono at 16 kHz, of any lengths.
            progress: Told what is fetched and loaded besides, if voices must be compared.
            cancel: Stops the work.
        """

    def voice(
        self, samples: Samples, *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the vector of length 1 of a voice; the cosine of two tells how alike voices are.

        Args:
            samples: Speech of one person, float32 mono at 16 kHz.
            progress: Told what is fetched and loaded for it.
            cancel: Stops that.
        """
