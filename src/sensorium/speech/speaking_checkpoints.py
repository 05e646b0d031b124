"""Which checkpoints speaking and cloning open, as far as that is known before any of them is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.speech.families import components

VOICE_TASK = "text-to-speech"
RECOGNISER_TASK = "speech-to-text"
_CLONING_FAMILIES = ("csm", "dia", "pocket_tts", "vibevoice", "higgs_audio_v2")


def cloning_checkpoint(profile: str) -> str:
    """Return the name of a checkpoint that clones: of the profile, else of the catalog, else of the hub."""
    cloning = [entry for entry in catalog.entries(VOICE_TASK) if entry.family in _CLONING_FAMILIES]
    cloning.sort(key=lambda entry: profile not in entry.profiles)
    return cloning[0].name if cloning else "sesame/csm-1b"


def opened_for_speaking(checkpoint: Checkpoint) -> tuple[Checkpoint, ...]:
    """Return a voice's checkpoint, and the components without which it can't speak."""
    return checkpoint, *_resolved(_needed(checkpoint, components.FOR_SPEAKING))


def opened_for_cloning(checkpoint: Checkpoint, *, transcript: bool, profile: str) -> tuple[Checkpoint, ...]:
    """Return all that a voice opens to take on the voice of a recording, its own checkpoint first.

    Args:
        checkpoint: The voice's.
        transcript: Whether it is known what is said in the recording; else a recogniser is opened too.
        profile: Whose recogniser that is.
    """
    family = _family(checkpoint)
    opened = (*opened_for_speaking(checkpoint), *_resolved(components.FOR_CLONING.get(family, ())))
    if transcript or family in components.CLONING_BY_EAR:
        return opened
    return *opened, catalog.resolve(None, task=RECOGNISER_TASK, profile=profile)


def _family(checkpoint: Checkpoint) -> str:
    return checkpoint.family or (catalog.family_of(Path(checkpoint.folder)) if checkpoint.folder else "")


def _needed(checkpoint: Checkpoint, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the repositories that a checkpoint needs, as far as that is known before it is fetched."""
    family = _family(checkpoint)
    if not checkpoint.folder and not store.is_present(checkpoint):
        return known.get(family, ())
    return components.needed(family, store.locate(checkpoint), known)


def _resolved(names: tuple[str, ...]) -> tuple[Checkpoint, ...]:
    return tuple(catalog.resolve(name, task=components.TASK) for name in names)
