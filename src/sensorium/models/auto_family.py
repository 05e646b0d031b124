"""Which checkpoints the Auto classes of transformers open, by the type and head in their ``config.json``."""

from __future__ import annotations

from pathlib import Path

from sensorium.models.json_files import json_table


def opens_by_auto_class(family: str, folder: Path, *mappings: str) -> bool:
    """Return whether an Auto class of transformers opens a checkpoint.

    Args:
        family: The ``model_type`` of the checkpoint's ``config.json``.
        folder: Holds ``config.json``. The head that it names, if any, must be one of the Auto class: the same type can
            be trained for different things.
        mappings: The names of the Auto classes' tables, such as ``"MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES"``.
    """
    from transformers.models.auto import modeling_auto

    heads: set[str] = set()
    for mapping in mappings:
        found = getattr(modeling_auto, mapping).get(family, ())
        heads.update([found] if isinstance(found, str) else found)
    named = json_table(folder / "config.json").get("architectures")
    return bool(heads) and (not isinstance(named, list) or not named or any(name in heads for name in named))
