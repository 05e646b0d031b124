"""The names of a checkpoint's own voices, as far as they are known before it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sensorium.errors import SensoriumError
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.speech.families.voice_files import voice_files

_CSM_SPEAKERS = 10


def own_voices(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the names of the voices to choose from; none where there is one voice only, or the checkpoint isn't here.

    Args:
        checkpoint: Of text to speech. Nothing is fetched, but its files are read.
    """
    try:
        if not store.is_present(checkpoint):
            return ()
        folder = store.locate(checkpoint)
        read = _VOICES.get(checkpoint.family or catalog.family_of(folder))
        return () if read is None else read(folder)
    except (SensoriumError, OSError, ValueError, TypeError, AttributeError):
        return ()  # whoever loads it is told what is wrong with it


def _vits(folder: Path) -> tuple[str, ...]:
    speakers = int(_document(folder / "config.json").get("num_speakers", 1))
    return tuple(str(number) for number in range(speakers)) if speakers > 1 else ()


def _bark(folder: Path) -> tuple[str, ...]:
    file = folder / "speaker_embeddings_path.json"
    presets = _document(file) if file.is_file() else {}
    return tuple(sorted(name for name, parts in presets.items() if isinstance(parts, dict)))


def _csm(folder: Path) -> tuple[str, ...]:
    return tuple(str(number) for number in range(_CSM_SPEAKERS))


def _document(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _files(folder: Path) -> tuple[str, ...]:
    return tuple(voice_files(folder))


_VOICES: Mapping[str, Callable[[Path], tuple[str, ...]]] = {
    "vits": _vits,
    "bark": _bark,
    "csm": _csm,
    "gradium_phonon_tts": _files,
    "pocket_tts": _files,
}
