"""Who speaks when: turns, and the activity of which they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CLOSE = 1e-6
"""Seconds: times that differ by less are the same, rounded differently."""


@dataclass(frozen=True, eq=False, repr=False)
class SpeakerTurn(Record):
    """Somebody speaks without a pause. Turns of several people overlap where they speak at once.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        speaker: The name of who speaks, or a letter: "A" is who is heard first.
    """

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, eq=False, repr=False)
class Diarization(Record):
    """Who speaks when in a recording.

    Attributes:
        turns: In the order in which they begin; none where nobody speaks.
        speakers: Who speaks, in the order in which they are first heard.
        duration: Length of the recording, in seconds.
        model: Name of the checkpoint.
        warnings: What was missing, damaged or unsure in the recording: a sentence for each.
    """

    turns: tuple[SpeakerTurn, ...]
    speakers: tuple[str, ...]
    duration: float
    model: str
    warnings: tuple[str, ...] = ()

    def rttm(self, recording: str = "recording") -> str:
        """Return the turns in RTTM (Rich Transcription Time Marked, NIST 2009), which other programs read.

        Args:
            recording: What the file calls the recording. Spaces, which separate the fields, become underscores.
        """
        name = _field(recording)
        lines = (
            f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> {_field(turn.speaker)} <NA> <NA>"
            for turn in self.turns
        )
        return "".join(line + "\n" for line in lines)


def _field(text: str) -> str:
    return "_".join(text.split()) or "recording"


@dataclass(frozen=True, eq=False)
class Activity:
    """Who is heard in a stretch of a recording, frame by frame.

    Attributes:
        start: Where the stretch begins, in seconds.
        frame: How long a frame is, in seconds.
        active: Of shape [frames, speakers], bool. A later stretch may have more speakers, and never fewer.
        samples: The sound of the stretch, float32 mono at 16 kHz.
    """

    start: float
    frame: float
    active: NDArray[np.bool_]
    samples: NDArray[np.float32]

    def alone(self, speaker: int) -> NDArray[np.float32]:
        """Return the samples in which a speaker is heard and nobody else."""
        import numpy as np

        mine = self.active[:, speaker] & (self.active.sum(axis=1) == 1)
        edges = np.linspace(0, len(self.samples), len(mine) + 1).astype(int)
        found: NDArray[np.float32] = self.samples[np.repeat(mine, np.diff(edges))]
        return found


@dataclass(frozen=True)
class NumberedTurn:
    """A turn of a speaker who has a number and no name yet.

    Attributes:
        start: In seconds.
        end: In seconds.
        speaker: The number, from 0.
    """

    start: float
    end: float
    speaker: int


class TurnsSoFar:
    """Joins what is heard in stretch after stretch to turns."""

    def __init__(self) -> None:
        self._ended: list[NumberedTurn] = []
        self._open: dict[int, tuple[float, float]] = {}

    def add(self, heard: Activity) -> None:
        """Add the next stretch."""
        for speaker in range(heard.active.shape[1]):
            for start, end in _runs(heard, speaker):
                begun, until = self._open.get(speaker, (start, start))
                if abs(until - start) > _CLOSE:
                    self._close(speaker)
                    begun = start
                self._open[speaker] = begun, end

    def finished(self) -> Sequence[NumberedTurn]:
        """Return all turns, in the order in which they begin."""
        for speaker in list(self._open):
            self._close(speaker)
        return sorted(self._ended, key=lambda turn: (turn.start, turn.speaker))

    def _close(self, speaker: int) -> None:
        start, end = self._open.pop(speaker)
        self._ended.append(NumberedTurn(round(start, 3), round(end, 3), speaker))


def _runs(heard: Activity, speaker: int) -> Iterator[tuple[float, float]]:
    """Yield where a speaker begins and stops in a stretch, in seconds of the recording."""
    import numpy as np

    changes = np.flatnonzero(np.diff(heard.active[:, speaker], prepend=False, append=False))
    for first, stop in changes.reshape(-1, 2).tolist():
        yield heard.start + first * heard.frame, heard.start + stop * heard.frame
