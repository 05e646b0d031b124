"""Which checkpoint an index is made with, and how many numbers its vectors have."""

from __future__ import annotations

import hashlib

from sensorium.errors import InputError
from sensorium.models import catalog
from sensorium.retrieval.probe import make_probe
from sensorium.retrieval.rows import Encoder
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.shortening import require_length


def described(clip: CLIP, dimensions: int | None) -> Encoder:
    """Return what is noted of a checkpoint in an index that it makes.

    Args:
        clip: The checkpoint.
        dimensions: How many numbers the vectors have; None for all.

    Raises:
        InputError: It makes no vectors of that length.
    """
    require_length(dimensions, clip)
    checkpoint = clip.checkpoint
    return Encoder(
        checkpoint.folder or checkpoint.name,
        checkpoint.name,
        _revision(checkpoint),
        dimensions or clip.embedding_size,
        make_probe(clip, dimensions),
        tuple(sorted(clip.kinds)),
    )


def check_encoder(encoder: Encoder, asked: catalog.Checkpoint | None, dimensions: int | None, name: str) -> None:
    """Refuse an index that holds other vectors than those that are asked for.

    Args:
        encoder: What the index was made with.
        asked: The checkpoint that is asked for; None for any.
        dimensions: How many numbers are asked for; None for any.
        name: Of the index, for the message.

    Raises:
        InputError: The checkpoint or the number differs.
    """
    if dimensions not in (None, encoder.dimension):
        raise InputError(
            f"The index {name} holds vectors of {encoder.dimension} numbers, and none of {dimensions}",
            "Leave out the number of dimensions, or make another index in an empty folder",
        )
    # Two folders may hold the same checkpoint; whether they do, the probe tells when it is loaded.
    if asked is not None and not asked.folder and asked.name != encoder.name:
        raise InputError(
            f"The index {name} was made with {encoder.name!r}, whose vectors don't go with those of {asked.name!r}",
            "Leave out the model, or make another index in an empty folder",
        )


def _revision(checkpoint: catalog.Checkpoint) -> str:
    """Return the commit of a checkpoint of the hub, or what its pinned sums come to; "" for a folder."""
    sums = "".join(file.sha256 for file in checkpoint.files)
    return checkpoint.revision or (hashlib.sha256(sums.encode()).hexdigest()[:12] if sums else "")
