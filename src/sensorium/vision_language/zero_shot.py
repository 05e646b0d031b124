"""Zero-shot classification without an object to hold: one encoder is kept for all calls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from sensorium.arguments import checked
from sensorium.models.catalog import current_profile
from sensorium.vision_language.classification import Classification
from sensorium.vision_language.clip import CLIP

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource


@checked
def zero_shot_classification(
    image: ImageSource, candidate_labels: str | Sequence[str], *, model: str | os.PathLike[str] | None = None
) -> Classification:
    """Classify an image into labels that the checkpoint was never trained on.

    Args:
        image: An image.
        candidate_labels: The labels to choose from.
        model: Catalog name, hub id, local folder, or None for the profile's default.

    Returns:
        Labels with scores, best first; prints like ``[{'label': 'cat', 'score': 0.92}, …]``.

    Raises:
        InputError: The image can't be read, or a label can't be used.
    """
    result = _shared_clip(None if model is None else os.fspath(model), current_profile()).zero_shot_classification(
        image, candidate_labels
    )
    assert isinstance(result, Classification)
    return result


@lru_cache(maxsize=2)
def _shared_clip(model: str | None, profile: str) -> CLIP:
    return CLIP(model, profile=profile)
