"""The recording whose voice is imitated: read from any file, cut down to speech, neither too short nor too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.media.audio import read_audio
from sensorium.media.container import WarningCallback
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import display_name
from sensorium.media.source import resolve
from sensorium.media.track_choice import TrackName, choose_track
from sensorium.media.voice_detector import SAMPLE_RATE
from sensorium.progress import Cancellation
from sensorium.speech.voice_activity import Span, speech_windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.media.source import MediaSource

    Samples = NDArray[np.float32]

SHORTEST = 3.0
LONGEST = 30.0
"""Seconds of speech. Less doesn't show what a voice is like, and these models were trained with no more."""
_READ = 120.0
"""Where nobody speaks within so many seconds, the recording isn't one of a voice."""


@dataclass(frozen=True, eq=False)
class ReferenceRecording:
    """Where somebody speaks in a recording.

    Attributes:
        source: The recording.
        track: Number of its sound track that is heard, from 1.
        speech: float32 mono at 16 kHz: its first 3 to 30 seconds of speech, without long silences.
        spans: Where that lies in the recording, counted at 16 kHz.
        limits: What the recording may cost.
    """

    source: MediaSource
    track: int
    speech: Samples
    spans: tuple[Span, ...]
    limits: Limits = DEFAULT_LIMITS

    def samples(self, sample_rate: int) -> Samples:
        """Return the speech as float32 mono at another sample rate."""
        import numpy as np

        if sample_rate == SAMPLE_RATE:
            return self.speech
        heard = read_audio(
            self.source, sample_rate=sample_rate, end=_READ, track=self.track, voices=True, limits=self.limits
        )
        edges = [
            (span.start * sample_rate // SAMPLE_RATE, span.stop * sample_rate // SAMPLE_RATE) for span in self.spans
        ]
        return np.concatenate([heard[start:stop] for start, stop in edges])


def find_reference(
    source: MediaSource,
    *,
    whole: bool,
    shortest: float = SHORTEST,
    track: TrackName | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_warning: WarningCallback | None = None,
    cancel: Cancellation | None = None,
) -> ReferenceRecording:
    """Find the speech in a recording of a voice.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        whole: Whether all that is said is needed, because a text of it is known.
        shortest: How many seconds of speech it must hold.
        track: Which sound track is heard: its number, from 1, or its language; None for one in which somebody speaks.
        limits: What the recording may cost, and where it may come from.
        on_warning: Told what is missing or damaged in it, or was chosen: a sentence for each.
        cancel: Stops the reading.

    Raises:
        InputError: It can't be read, nobody speaks in it, or it holds less speech than that; or, where all of
            it is needed, more than 30.
    """
    media = resolve(source, limits=limits, cancel=cancel)
    number = choose_track(media, track=track, limits=limits, on_warning=on_warning, cancel=cancel)
    heard = read_audio(media, end=_READ, track=number, voices=True, limits=limits, on_warning=on_warning, cancel=cancel)
    windows = speech_windows([heard], longest=LONGEST)
    window = next(windows, None)
    name = display_name(source)
    remedy = f"Choose a clear recording of one person, {shortest:g} to {LONGEST:g} seconds long"
    if window is None:
        raise InputError(f"Nobody speaks in the reference recording {name}", remedy)
    spoken = sum(span.stop - span.start for span in window.spans) / SAMPLE_RATE
    if spoken < shortest:
        raise InputError(f"The reference recording {name} holds {spoken:.1f} seconds of speech only", remedy)
    if whole and next(windows, None) is not None:
        raise InputError(
            f"The reference recording {name} holds more than {LONGEST:g} seconds of speech",
            f"Cut recording and text down to {LONGEST:g} seconds, or leave out the text: then the beginning is used",
        )
    return ReferenceRecording(media, number, window.samples, window.spans, limits)
