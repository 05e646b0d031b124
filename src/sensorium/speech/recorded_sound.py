"""The sound of one recording, read block by block: samples, or a sound track of a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sensorium.errors import InputError
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.limits import Limits
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.media.track_choice import TrackName
from sensorium.progress import Cancellation, check_cancelled
from sensorium.speech.recogniser import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    AudioSource: TypeAlias = MediaSource | Samples

_BLOCK_SECONDS = 30


@dataclass
class RecordedSound:
    """A recording that is read once, or again from its beginning.

    Attributes:
        source: A file, or float32 mono samples at 16 kHz.
        track: The sound track that is heard, by its number or language; None to choose one.
        languages: Codes of the languages by which a track is chosen.
        limits: How large files may be and where they may come from.
        warnings: Told what is missing or damaged.
        cancel: Stops reading.
        read: How much was read, the last time, in seconds.
    """

    source: AudioSource
    track: TrackName | None
    languages: Sequence[str]
    limits: Limits
    warnings: InputWarnings
    cancel: Cancellation | None
    read: float = 0.0
    _found: tuple[ResolvedMedia, int] | None = None

    def blocks(self) -> Iterator[Samples]:
        """Yield float32 mono samples at 16 kHz.

        Raises:
            InputError: The file can't be read or has no such sound track, or the samples are none.
            CancelledError: ``cancel`` was set.
        """
        import numpy as np

        from sensorium.media.audio import stream_audio

        self.read = 0.0
        blocks: Iterable[Samples]
        if isinstance(self.source, np.ndarray):
            if self.track is not None:
                raise InputError("Samples have no sound tracks to choose from", "Leave out the track")
            samples = _checked(self.source)
            step = _BLOCK_SECONDS * SAMPLE_RATE
            blocks = (samples[at : at + step] for at in range(0, len(samples), step))
        else:
            source, track = self._chosen(self.source)
            blocks = stream_audio(
                source,
                sample_rate=SAMPLE_RATE,
                track=track,
                voices=True,
                limits=self.limits,
                on_warning=self.warnings,
            )
        for block in blocks:
            check_cancelled(self.cancel)
            self.read += len(block) / SAMPLE_RATE
            yield block

    def length(self) -> float | None:
        """Return how long it is, in seconds; None where it costs much to tell."""
        import numpy as np

        from sensorium.media.audio import probe_audio

        if isinstance(self.source, np.ndarray):
            return len(self.source) / SAMPLE_RATE
        # Not pathlib's way, which raises an error for a name that is too long, as a data: URI is.
        if isinstance(self.source, (str, os.PathLike)) and os.path.isfile(self.source):  # noqa: PTH113
            source, track = self._chosen(self.source)
            return probe_audio(source, track=track, limits=self.limits).duration
        return None

    def _chosen(self, source: MediaSource) -> tuple[ResolvedMedia, int]:
        """Return the file, found once, and the number of the sound track that is heard."""
        from sensorium.media.track_choice import choose_track

        if self._found is None:
            media = resolve(source, limits=self.limits, cancel=self.cancel)
            track = choose_track(
                media,
                track=self.track,
                languages=tuple(self.languages),
                limits=self.limits,
                on_warning=self.warnings,
                cancel=self.cancel,
            )
            self._found = media, track
        return self._found


def _checked(samples: Samples) -> Samples:
    import numpy as np

    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise InputError(
            f"Samples of the shape {samples.shape} and type {samples.dtype} are not a recording",
            "Give one row of floating-point samples at 16 kHz, or the path of a file",
        )
    return np.nan_to_num(samples.astype(np.float32), copy=False)
