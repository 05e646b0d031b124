"""What can be asked of diarization: who speaks when in a recording, alone or beside what is said."""

from __future__ import annotations

from typing import Annotated, ClassVar, Protocol, TypeAlias

from pydantic import AfterValidator, Field

from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.sound_track import Track
from sensorium.operations.tasks import Tasks
from sensorium.speech.families.components import SPEAKER_ENCODER
from sensorium.speech.families.components import TASK as COMPONENT
from sensorium.speech.speaker_diarization import Diarization, SpeakerDiarization, compares_voices, diarizer_checkpoint
from sensorium.speech.who_speaks import require_voices


def _named(voices: dict[str, Media]) -> dict[str, Media]:
    return {name: Media(recording) for name, recording in require_voices(voices).items()}


Voices: TypeAlias = Annotated[dict[str, Media], AfterValidator(_named)]
"""Reference recordings of speakers, by name."""
Diarizer: TypeAlias = Annotated[str | None, Field(min_length=1)]
"""Name of a checkpoint that tells speakers apart."""


class _TellingApart(Protocol):
    @property
    def diarizer(self) -> str | None: ...
    @property
    def voices(self) -> dict[str, Media]: ...
    @property
    def profile(self) -> str | None: ...


def diarizing_checkpoints(operation: _TellingApart) -> tuple[Checkpoint, ...]:
    """Return what an operation opens to tell speakers apart: the diarizer, and the encoder of reference recordings.

    Raises:
        ModelUnavailableError: There is no such checkpoint.
    """
    diarizer = diarizer_checkpoint(operation.diarizer, operation.profile or catalog.current_profile())
    if operation.voices or compares_voices(diarizer):
        return (diarizer, catalog.resolve(SPEAKER_ENCODER, task=COMPONENT))
    return (diarizer,)


class Diarize(ModelOperation):
    """Tell who speaks when in a recording or film. Where several speak at once, their turns overlap."""

    task: ClassVar[str] = SpeakerDiarization.task
    result: ClassVar[str] = "sensorium.speech.speaker_turns:Diarization"

    audio: Media
    """A recording or film of any length, in any format that FFmpeg reads."""
    voices: Voices = Field(default_factory=dict)
    """Recordings of speakers by their names, 2 to 30 seconds of speech each; others are called A, B and so on."""
    track: Track = None
    """Which sound track is heard: its number, from 1, or the language that it is marked with; by default one in which
    somebody speaks."""

    @property
    def diarizer(self) -> str | None:
        """The checkpoint that tells speakers apart."""
        return self.model

    def opened(self, tasks: Tasks, report: Reporter) -> SpeakerDiarization:
        """Return the diarizer, loaded."""
        return tasks.open(
            (SpeakerDiarization, self.opening_key),
            lambda: SpeakerDiarization(self.model, **self.opening(tasks)),
            report,
        )

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the diarizer, and what compares voices."""
        return diarizing_checkpoints(self)

    def run(self, tasks: Tasks, report: Reporter) -> Diarization:
        """Return the turns."""
        audio = tasks.media(self.audio)
        voices = {name: tasks.media(recording) for name, recording in self.voices.items()}
        return self.opened(tasks, report).diarize(
            audio, voices=voices, track=self.track, progress=report, cancel=report
        )
