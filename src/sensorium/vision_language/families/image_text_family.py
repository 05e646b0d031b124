"""Which checkpoints are image-text-to-text models of transformers, whose one generic backend runs them all."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from sensorium.models.json_files import json_table
from sensorium.vision_language.families.headed_family import headed_family

IMAGE_TEXT_TO_TEXT = "image-text-to-text"
"""The family that stands for all of them."""
PALIGEMMA = "paligemma"
"""A family without conversations, which is told what to do by words of its own."""

_ASKED_OTHERWISE = frozenset({"blip", "blip-2", PALIGEMMA})
"""Families that transformers lists, too, but that know no conversations: `ImageQA` has backends for them."""
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_SETTINGS_WITH_TEMPLATES = ("processor_config.json", "tokenizer_config.json")


def image_text_family(family: str, folder: Path, known: Container[str]) -> str:
    """Return the family whose backend opens a checkpoint.

    Args:
        family: The catalog's, or the ``model_type`` of the checkpoint's ``config.json``.
        folder: Holds ``config.json``.
        known: The families that have a backend of their own.
    """
    headed = headed_family(family, folder)
    if headed in known:
        return headed
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    generic = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.keys() - _ASKED_OTHERWISE
    return IMAGE_TEXT_TO_TEXT if headed in generic or thinker_of(headed) in generic else headed


def thinker_of(family: str) -> str:
    """Return what transformers calls the part that sees, hears and writes, of families that also speak."""
    return f"{family}_thinker"


def hears(folder: Path) -> bool:
    """Return whether a checkpoint of this kind has a part for sound, judged by its ``config.json``."""
    family = str(json_table(folder / "config.json").get("model_type", ""))
    return has_part_for_sound(folder) and image_text_family(family, folder, ()) == IMAGE_TEXT_TO_TEXT


def has_part_for_sound(folder: Path) -> bool:
    """Return whether a checkpoint of any kind has a part for sound, judged without any library."""
    config = json_table(folder / "config.json")
    thinker: Any = config.get("thinker_config")
    return bool((thinker if isinstance(thinker, dict) else config).get("audio_config"))


def is_made_for_conversations(folder: Path) -> bool:
    """Return whether a checkpoint's files hold a chat template, without which the generic backend can't ask it."""
    if any((folder / name).is_file() for name in _TEMPLATES):
        return True
    return any(json_table(folder / name).get("chat_template") for name in _SETTINGS_WITH_TEMPLATES)
