"""Which checkpoints are image-text-to-text models of transformers, whose one generic backend runs them all."""

from __future__ import annotations

from collections.abc import Container

IMAGE_TEXT_TO_TEXT = "image-text-to-text"
"""The family that stands for all of them."""


def image_text_family(family: str, known: Container[str]) -> str:
    """Return the family whose backend opens a checkpoint.

    Args:
        family: The catalog's, or the ``model_type`` of the checkpoint's ``config.json``.
        known: The families that have a backend of their own.
    """
    if family in known:
        return family
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return IMAGE_TEXT_TO_TEXT if family in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES else family
