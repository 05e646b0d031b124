"""Families whose checkpoints do different things, by the head that their ``config.json`` names."""

from __future__ import annotations

from pathlib import Path

from sensorium.models.json_files import json_table

BLIP_RETRIEVAL = "blip-retrieval"
"""BLIP with its heads for matching texts with pictures: a dual encoder, which writes nothing."""
_BLIP_2_RETRIEVAL = "blip-2-retrieval"

_FAMILIES = {
    ("blip", "BlipForImageTextRetrieval"): BLIP_RETRIEVAL,
    ("blip-2", "Blip2ForImageTextRetrieval"): _BLIP_2_RETRIEVAL,
}


def headed_family(family: str, folder: Path) -> str:
    """Return the family that a checkpoint's head makes of it; the same family where the head doesn't matter.

    Args:
        family: The catalog's, or the ``model_type`` of ``config.json``.
        folder: Holds ``config.json``.
    """
    if not any(family == known for known, _ in _FAMILIES):
        return family
    listed = json_table(folder / "config.json").get("architectures")
    named = map(str, listed) if isinstance(listed, list) else ()
    return next((_FAMILIES[family, name] for name in named if (family, name) in _FAMILIES), family)
