"""Who speaks when: `SpeakerDiarization`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Unpack

from sensorium.arguments import checked
from sensorium.errors import ModelUnavailableError, SensoriumError
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.track_choice import require_track
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.json_files import json_table
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.speech.diarizer import Diarizer
from sensorium.speech.recorded_sound import RecordedSound
from sensorium.speech.speaker_turns import Diarization as Diarization
from sensorium.speech.speaker_turns import SpeakerTurn as SpeakerTurn
from sensorium.speech.who_speaks import SpeakerSearch, require_voices
from sensorium.task import Task, TaskOptions

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.speech.recorded_sound import AudioSource

TASK = "speaker-diarization"
_STREAMING, _FRAMES = "nemotron3_diarization", "speaker-frames"
_SUGGESTED = "nemotron-3-diarization"


def diarizer_checkpoint(model: str | os.PathLike[str] | None, profile: str) -> Checkpoint:
    """Return the checkpoint that tells speakers apart.

    Args:
        model: Catalog name, hub id or folder; None for the profile's.
        profile: The profile.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known, or the profile has none.
    """
    if model is None and not catalog.defaults(TASK, profile):
        raise ModelUnavailableError(
            f"The profile {profile!r} has no model that tells speakers apart",
            f"Pull one where there is network: 'sensorium models pull {_SUGGESTED}', then name {_SUGGESTED} as the "
            "diarizer",
        )
    return catalog.resolve(model, task=TASK, profile=profile)


def compares_voices(checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint needs the speaker encoder in any long recording; False if it isn't here to tell."""
    try:
        family = (
            checkpoint.family or catalog.family_of(store.locate(checkpoint)) if store.is_present(checkpoint) else ""
        )
    except SensoriumError:
        return False  # whoever loads it is told what is wrong with it
    return family not in ("", _STREAMING)


class SpeakerDiarization(Task[Diarizer]):
    """Tells who speaks when in a recording of several people.

    Args:
        model: A catalog name, a hub id, a local folder, or None for the
            profile's default.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known, or the profile has none.
    """

    task = TASK
    families: ClassVar = {
        _STREAMING: "sensorium.speech.families.streaming_diarizer:StreamingDiarizer",
        _FRAMES: "sensorium.speech.families.frame_diarizer:FrameDiarizer",
    }

    @checked
    def __init__(self, model: str | os.PathLike[str] | None = None, **options: Unpack[TaskOptions]) -> None:
        if model is None:
            profile = options.get("profile")
            diarizer_checkpoint(None, catalog.current_profile() if profile is None else catalog.known_profile(profile))
        super().__init__(model, **options)

    @checked
    def diarize(
        self,
        audio_path: AudioSource,
        *,
        voices: Mapping[str, MediaSource] | None = None,
        track: int | str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Diarization:
        """Tell who speaks when in a recording or in the sound track of a film.

        Args:
            audio_path: Path, address, data URI, bytes or open file, of any length and in any format that FFmpeg
                reads; or float32 mono samples at 16 kHz. It is never in memory as a whole.
            voices: Reference recordings, by the name of who speaks in each: 2 to 30 seconds of speech of one person.
                Speakers who sound like none of them are called by letters: "A" is who is heard first.
            track: Which sound track of a film is heard: its number, from 1, or the language that it is marked with. By
                default one in which somebody speaks.
            progress: Told the seconds of sound done.
            cancel: Stops the work.

        Returns:
            The turns of all speakers. Where several speak at once, their turns overlap. Where nobody speaks there are
            none.

        Raises:
            InputError: A recording can't be read or has no sound track, or nobody speaks in a reference recording.
            UnsupportedError: The checkpoint doesn't tell speakers apart.
            ModelUnavailableError: The checkpoint isn't here and can't be fetched.
            CancelledError: ``cancel`` was set.
        """
        warnings = InputWarnings()
        sound = RecordedSound(audio_path, require_track(track), (), self.limits, warnings, cancel)
        turns = self.turns_in(sound, voices, progress=progress, cancel=cancel)
        speakers = tuple(dict.fromkeys(turn.speaker for turn in turns))
        return Diarization(turns, speakers, sound.read, self.model, warnings.told())

    @checked
    def turns_in(
        self,
        sound: RecordedSound,
        voices: Mapping[str, MediaSource] | None,
        *,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> tuple[SpeakerTurn, ...]:
        """Return the turns in a recording that others read too; arguments and errors are those of `diarize`."""
        named = require_voices(voices)
        with self.lease(progress=progress, cancel=cancel) as diarizer:
            search = SpeakerSearch(diarizer, self.model, named, self.limits, sound.warnings, progress, cancel)
            return search.turns(sound)

    def _family(self, folder: Path) -> str:
        from transformers.models.auto import modeling_auto as auto

        family = super()._family(folder)
        classes = auto.MODEL_FOR_AUDIO_FRAME_CLASSIFICATION_MAPPING_NAMES
        if family in self.families or family not in classes:
            return family
        # Most networks of these families do something else with sound, and only the class tells.
        named = json_table(folder / "config.json").get("architectures")
        return _FRAMES if isinstance(named, list) and classes[family] in named else family
