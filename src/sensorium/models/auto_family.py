"""Which checkpoints the Auto classes of transformers open, by the type and head in their ``config.json``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sensorium.models.json_files import json_table


def opens_by_auto_class(family: str, folder: Path, *mappings: str) -> bool:
    """Return whether an Auto class of transformers opens a checkpoint.

    Args:
        family: The ``model_type`` of the checkpoint's ``config.json``.
        folder: Holds ``config.json``. The head that it names, if any, must be one of the Auto class: the same type can
            be trained for different things. Names that transformers doesn't know, such as one that was changed, don't
            count.
        mappings: The names of the Auto classes' tables, such as ``"MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES"``.
    """
    from transformers.models.auto import modeling_auto

    tables = vars(modeling_auto)
    heads = {head for mapping in mappings for head in _names(tables[mapping].get(family, ()))}
    named = json_table(folder / "config.json").get("architectures")
    if not heads or not isinstance(named, list) or not heads.isdisjoint(map(str, named)):
        return bool(heads)
    known = {
        head
        for name, table in tables.items()
        if name.endswith("_NAMES")
        for each in table.values()
        for head in _names(each)
    }
    return known.isdisjoint(map(str, named))


def _names(heads: str | Iterable[str]) -> Iterable[str]:
    return (heads,) if isinstance(heads, str) else heads
