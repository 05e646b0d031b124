"""Where the prior of a painter is: the first of its two halves, which turns words into an image embedding."""

from __future__ import annotations

from pathlib import Path

from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint


def find_prior(folder: Path, checkpoint: Checkpoint, usual: str) -> tuple[Path, Checkpoint]:
    """Return the folder and the catalog entry of a decoder's prior; one that isn't here is fetched.

    Args:
        folder: The decoder's. A folder ``prior`` inside it wins.
        checkpoint: The decoder's.
        usual: The hub id of the prior, if the decoder's model card names none.

    Raises:
        ModelUnavailableError: It isn't here and can't be fetched.
    """
    inside = folder / "prior"
    if (inside / "model_index.json").is_file():
        return inside, checkpoint
    prior = catalog.resolve(_prior_in_card(folder / "README.md") or usual, task=checkpoint.task)
    return store.locate(prior), prior


def _prior_in_card(card: Path) -> str:
    """Return the prior that a model card names in its head, or "". Such a head is YAML between two lines of ``---``."""
    from huggingface_hub import ModelCard

    try:
        named = ModelCard.load(card).data.get("prior") or [""]
    except (OSError, ValueError):
        return ""
    return str(named[0] if isinstance(named, list) else named)
