"""Which checkpoints name actions in films."""

from __future__ import annotations

from pathlib import Path

from sensorium.models.auto_family import opens_by_auto_class

ACTIONS = "videomae"
"""The family that stands for all classifiers of films of transformers."""


def action_family(family: str, folder: Path) -> str:
    """Return `ACTIONS` for a checkpoint that names actions, else its own family.

    Args:
        family: The catalog's, or the ``model_type`` of the checkpoint's ``config.json``.
        folder: Holds ``config.json``.
    """
    return ACTIONS if names_actions(family, folder) else family


def names_actions(family: str, folder: Path) -> bool:
    """Return whether transformers has a classifier of films for a checkpoint; arguments as for `action_family`."""
    return opens_by_auto_class(family, folder, "MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES")
