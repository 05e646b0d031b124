"""Which languages a voice speaks: what the catalog says, else the checkpoint's own card, else its family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sensorium.models.catalog import Checkpoint
from sensorium.text.languages import LANGUAGES

_OF_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "gradium_phonon_tts": ("en", "fr", "de", "es", "pt"),
    "pocket_tts": ("en", "fr", "de", "es", "pt", "it"),
    "vibevoice": ("en", "zh"),
}
_CARD = "README.md"


def spoken_languages(folder: Path, checkpoint: Checkpoint, family: str) -> tuple[str, ...]:
    """Return the codes of a voice's languages; empty where nobody says.

    Args:
        folder: The checkpoint's.
        checkpoint: Its catalog entry.
        family: Its ``model_type``: of some families all checkpoints that there are speak a few languages.
    """
    return checkpoint.languages or _of_card(folder / _CARD) or _OF_FAMILIES.get(family, ())


def _of_card(card: Path) -> tuple[str, ...]:
    from huggingface_hub import ModelCard

    if not card.is_file():
        return ()
    try:
        told = ModelCard.load(card, ignore_metadata_errors=True).data.language
    except Exception:  # whatever a parser of YAML makes of a file that anybody may have written
        return ()
    codes = [told] if isinstance(told, str) else told or []
    return tuple(code for code in codes if code in LANGUAGES)
