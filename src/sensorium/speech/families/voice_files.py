"""Voices that a checkpoint keeps in files of their own: what a model hears of a speaker before it speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.models.spoiled_files import SPOILED

USUAL = "default"
SUFFIX = ".safetensors"
_FOLDERS = ("voices", "embeddings")
_DEFAULT = f"default-voice{SUFFIX}"
_TURNED = "speaker_wavs"
"""The tensor whose frames stand side by side, as Phonon's own program writes it."""
_MOST_FRAMES = 4096


def voice_files(folder: Path) -> dict[str, Path]:
    """Return the voices of a checkpoint's folder by name, its usual one first."""
    found = {file.stem: file for name in _FOLDERS for file in sorted((folder / name).glob(f"*{SUFFIX}"))}
    usual = folder / _DEFAULT
    if usual.is_file():
        found.setdefault(USUAL, usual)
    return dict(sorted(found.items(), key=lambda entry: (entry[0] != USUAL, entry[0])))


def read_voice(file: Path, width: int) -> Any:
    """Return what a file holds of a speaker, a float32 tensor of shape [frames, width].

    Args:
        file: Of a checkpoint, or named by a user.
        width: How many numbers a frame has for the model.

    Raises:
        InputError: The file can't be read, or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    name = display_name(file)
    try:
        tensors = load_file(file)
    except (SafetensorError, *SPOILED):
        raise InputError(f"The voice {name} is no readable {SUFFIX} file", "Fetch or copy the file again") from None
    tensor = tensors.get(_TURNED)
    frames = next(iter(tensors.values())) if tensor is None and len(tensors) == 1 else tensor
    shape = () if frames is None else tuple(frames.shape)
    if frames is not None and len(shape) in (2, 3) and (len(shape) == 2 or shape[0] == 1):
        frames = frames.reshape(shape[-2:])
        frames = frames.transpose(0, 1) if tensor is not None else frames
        if frames.shape[1] == width and 0 < frames.shape[0] <= _MOST_FRAMES and bool(frames.isfinite().all()):
            return frames.float().contiguous()
    raise InputError(
        f"The voice {name} was not made for this checkpoint: it doesn't hold frames of {width} numbers",
        "Choose a voice that was made for it",
    )
