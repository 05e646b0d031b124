"""Checkpoints that a family of voices needs beside its own: vocoders, codecs, speaker encoders."""

from __future__ import annotations

from pathlib import Path

from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback

VOCODER = "microsoft/speecht5_hifigan"
SPEAKER_ENCODER = "microsoft/wavlm-base-plus-sv"
CODEC = "descript/dac_44khz"

FOR_SPEAKING = {"speecht5": (VOCODER,), "dia": (CODEC,)}
FOR_CLONING = {"speecht5": (SPEAKER_ENCODER,)}
CLONING_BY_EAR = frozenset({"speecht5"})
"""The families that take on a voice without being told what is said in its recording."""

TASK = "speech-component"


def component(
    name: str, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None
) -> tuple[Checkpoint, Path]:
    """Return a component and its folder, fetching it first if it isn't here.

    Raises:
        ModelUnavailableError: No source could deliver it.
    """
    checkpoint = catalog.resolve(name, task=TASK)
    return checkpoint, store.locate(checkpoint, progress=progress, cancel=cancel)
