"""What helps when files of a checkpoint are damaged, in the words of an error."""

from __future__ import annotations

from pathlib import Path

from sensorium.models.catalog import Checkpoint


def fetch_anew(checkpoint: Checkpoint) -> str:
    """Return how to get a checkpoint's files anew: a sentence without its full stop.

    What is here is not fetched again by pulling it. Removing deletes what was made from it, too; of the hub's cache,
    which other programs use, nothing is deleted but by hand.
    """
    if checkpoint.folder:
        return f"Copy all of its files to {checkpoint.folder!r} again"
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    folders = (cache / f"models--{source.repository.replace('/', '--')}" for source in checkpoint.hub_sources())
    kept = next((folder for folder in folders if folder.is_dir()), None)
    commands = f"'sensorium models remove {checkpoint.name}', then 'sensorium models pull {checkpoint.name}'"
    return f"Run {commands}" if kept is None else f"Delete the folder {str(kept)!r}, then run {commands}"
