"""Checkpoints that a family of voices needs beside its own: vocoders, codecs, speaker encoders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.json_files import json_table
from sensorium.progress import Cancellation, ProgressCallback

VOCODER = "microsoft/speecht5_hifigan"
SPEAKER_ENCODER = "microsoft/wavlm-base-plus-sv"
CODEC = "descript/dac_44khz"

FOR_SPEAKING = {"speecht5": (VOCODER,), "dia": (CODEC,)}
FOR_CLONING = {"speecht5": (SPEAKER_ENCODER,)}
CLONING_BY_EAR = frozenset({"speecht5", "pocket_tts", "vibevoice"})
"""The families that take on a voice without being told what is said in its recording."""

TASK = "speech-component"

_SETTINGS = "processor_config.json"
_OWN_SETTINGS = "audio_tokenizer_config.json"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class NamedCodec:
    """The codec that a checkpoint's processor wants.

    Attributes:
        kind: Its class in the library.
        name: Its repository, or a folder of the checkpoint's or of this machine.
    """

    kind: str
    name: str

    @property
    def on_the_hub(self) -> bool:
        """Whether its name is that of a repository."""
        return _HUB_ID.fullmatch(self.name) is not None


def named_codec(folder: Path) -> NamedCodec | None:
    """Return the codec that the settings of a checkpoint's processor name; None if they name none."""
    named = json_table(folder / _SETTINGS).get("audio_tokenizer") or json_table(folder / _OWN_SETTINGS)
    kind, name = (named.get(f"audio_tokenizer_{key}") for key in ("class", "name_or_path"))
    return NamedCodec(kind, name) if isinstance(kind, str) and isinstance(name, str) else None


def needed(family: str, folder: Path, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the repositories that a checkpoint needs beside its own.

    Args:
        family: Of the checkpoint.
        folder: Its folder, whose settings may name a codec.
        known: `FOR_SPEAKING` or `FOR_CLONING`.
    """
    codec = None if family in FOR_SPEAKING else named_codec(folder)
    own = (codec.name,) if codec and codec.on_the_hub and not (folder / codec.name).is_dir() else ()
    return (*known.get(family, ()), *own)


def component(
    name: str, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None
) -> tuple[Checkpoint, Path]:
    """Return a component and its folder, fetching it first if it isn't here.

    Raises:
        ModelUnavailableError: No source could deliver it.
    """
    checkpoint = catalog.resolve(name, task=TASK)
    return checkpoint, store.locate(checkpoint, progress=progress, cancel=cancel)
