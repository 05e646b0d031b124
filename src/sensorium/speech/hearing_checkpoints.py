"""Which checkpoints recognising speech opens, as far as that is known before any of them is loaded."""

from __future__ import annotations

from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.speech.families.recogniser_families import needs_aligner
from sensorium.speech.speaking_checkpoints import RECOGNISER_TASK


def usual_aligner() -> Checkpoint:
    """Return the aligner that is used where nobody names one: the starter's Whisper."""
    return catalog.resolve(None, task=RECOGNISER_TASK, profile="starter")


def named_aligner(name: str) -> Checkpoint:
    """Return the aligner of a name; nothing is fetched.

    Raises:
        ModelUnavailableError: There is no such checkpoint, or it doesn't hear.
    """
    return catalog.resolve(name, task=RECOGNISER_TASK)


def opened_for_hearing(checkpoint: Checkpoint, aligner: str | None = None) -> tuple[Checkpoint, ...]:
    """Return a recogniser's checkpoint, and the aligner's if it writes text alone.

    Args:
        checkpoint: The recogniser's.
        aligner: The name of its aligner; None for `usual_aligner`.

    Raises:
        ModelUnavailableError: There is no such aligner, whether it is needed or not.
    """
    beside = usual_aligner() if aligner is None else named_aligner(aligner)
    folder = store.locate(checkpoint) if store.is_present(checkpoint) and not checkpoint.endpoint else None
    if not needs_aligner(checkpoint.family, folder):
        return (checkpoint,)
    return checkpoint, beside
