"""Who speaks when in one recording: turns from a diarizer, named by letters or by reference recordings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.limits import Limits
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.speech.diarizer import Diarizer
from sensorium.speech.recogniser import SAMPLE_RATE
from sensorium.speech.recorded_sound import RecordedSound
from sensorium.speech.speaker_turns import Activity, NumberedTurn, SpeakerTurn, TurnsSoFar
from sensorium.speech.voice_matching import LEAST_SPEECH, same_voices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.media.source import MediaSource

    Samples = NDArray[np.float32]

MOST_VOICES = 32
"""Reference recordings: each costs about as much as half a minute of the recording."""
_LONGEST_NAME = 100
_JOINERS = {0x200C: None, 0x200D: None}
"""Signs within names in Persian, in languages of India and in emoji; Python counts them among those not printed."""
_SHORTEST_REFERENCE = 2.0
_KEPT_SPEECH = 20 * SAMPLE_RATE
"""Samples that are kept of each speaker's own speech, to compare the voice."""


def require_voices(voices: Mapping[str, MediaSource] | None) -> dict[str, MediaSource]:
    """Return reference recordings by the names of those who speak in them.

    Raises:
        InputError: A name is empty, too long, no line of text, or that of another, or there are too many.
    """
    named: dict[str, MediaSource] = {}
    for name, recording in (voices or {}).items():
        if name.strip() in named:
            raise InputError(f"There are two voices called {name.strip()!r}", "Give each person one recording")
        named[name.strip()] = recording
    if len(named) > MOST_VOICES:
        raise InputError(
            f"There are {len(named)} reference recordings of voices, and at most {MOST_VOICES} are compared",
            "Leave out those of people who hardly speak in the recording",
        )
    for name in named:
        if not name or len(name) > _LONGEST_NAME or not name.translate(_JOINERS).isprintable():
            raise InputError(
                f"{name[:_LONGEST_NAME]!r} is no name for a speaker", f"Give a line of 1 to {_LONGEST_NAME} characters"
            )
    return named


@dataclass
class SpeakerSearch:
    """The search for who speaks when in one recording.

    Attributes:
        diarizer: Tells speakers apart.
        model: Its name.
        voices: Reference recordings by name; from `require_voices`.
        limits: What they may cost, and where they may come from.
        warnings: Told what is unsure.
        progress: Told the seconds of sound done.
        cancel: Stops it.
    """

    diarizer: Diarizer
    model: str
    voices: Mapping[str, MediaSource]
    limits: Limits
    warnings: InputWarnings
    progress: ProgressCallback | None
    cancel: Cancellation | None
    _own_speech: dict[int, list[Samples]] = field(default_factory=dict)

    def turns(self, sound: RecordedSound) -> tuple[SpeakerTurn, ...]:
        """Return who speaks when, in the order in which turns begin; overlapping speech gives overlapping turns.

        Raises:
            InputError: The recording or a reference recording can't be read, or nobody speaks in the latter.
            CancelledError: ``cancel`` was set.
        """
        known = {name: self._reference(name) for name in self.voices}
        total = None if self.progress is None else sound.length()
        so_far = TurnsSoFar()
        most = 0
        blocks = sound.blocks()
        report(self.progress, _STAGE, 0.0, total, "seconds")
        for heard in self.diarizer.listen(blocks, progress=self.progress, cancel=self.cancel):
            check_cancelled(self.cancel)
            so_far.add(heard)
            most = max(most, int(heard.active.any(axis=0).sum())) if self.diarizer.within else most
            if known:
                self._keep(heard)
            report(self.progress, _STAGE, heard.start + len(heard.samples) / SAMPLE_RATE, total, "seconds")
        found = so_far.finished()
        most = most or len({turn.speaker for turn in found})
        if most >= self.diarizer.most_speakers:
            within = f" in {self.diarizer.within:g} seconds" if self.diarizer.within else ""
            self.warnings(
                f"{self.model!r} tells at most {self.diarizer.most_speakers} people apart{within}, and as many were "
                "heard: if more speak, some of them share a name"
            )
        names = self._names(found, known)
        return tuple(SpeakerTurn(turn.start, turn.end, names[turn.speaker]) for turn in found)

    def _reference(self, name: str) -> NDArray[np.float32]:
        from sensorium.speech.reference_recording import find_reference

        recording = find_reference(
            self.voices[name],
            whole=False,
            shortest=_SHORTEST_REFERENCE,
            limits=self.limits,
            on_warning=self.warnings,
            cancel=self.cancel,
        )
        return self.diarizer.voice(recording.speech, progress=self.progress, cancel=self.cancel)

    def _keep(self, heard: Activity) -> None:
        """Keep some of what each speaker says alone."""
        for speaker in range(heard.active.shape[1]):
            kept = self._own_speech.setdefault(speaker, [])
            room = _KEPT_SPEECH - sum(map(len, kept))
            if room > 0:
                kept.append(heard.alone(speaker)[:room].copy())

    def _names(self, found: Sequence[NumberedTurn], known: Mapping[str, NDArray[np.float32]]) -> dict[int, str]:
        """Return the name of each speaker: that of the most alike reference recording, or else a letter."""
        import numpy as np

        speakers = list(dict.fromkeys(turn.speaker for turn in found))
        heard = {}
        for speaker in speakers if known else ():
            own = np.concatenate(self._own_speech[speaker])
            if len(own) >= LEAST_SPEECH * SAMPLE_RATE:
                heard[speaker] = self.diarizer.voice(own, progress=self.progress, cancel=self.cancel)
        names = same_voices(heard, known)
        for name in known:
            if name not in names.values():
                self.warnings(f"Nobody in the recording sounds like the reference recording of {name!r}")
        free = _letters(known)
        return {speaker: names.get(speaker) or next(free) for speaker in speakers}


_STAGE = "telling speakers apart"


def _letters(taken: Collection[str]) -> Iterator[str]:
    """Yield A, B, … Z, AA, AB, … without the names that are taken."""
    for number in count():
        letters, rest = "", number
        while rest >= 0:
            letters, rest = chr(ord("A") + rest % 26) + letters, rest // 26 - 1
        if letters not in taken:
            yield letters
