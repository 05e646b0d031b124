"""Voices that a checkpoint keeps in files of their own: what a model hears of a speaker before it speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
_LAYER, _KIND = re.compile(r"\d+"), re.compile("key|value")
"""Of a tensor's name: which layer's it is, and which of the two; however that is written."""
_MOST_FRAMES = 4096


def voice_files(folder: Path) -> dict[str, Path]:
    """Return the voices of a checkpoint's folder by name, its usual one first."""
    found = {file.stem: file for name in _FOLDERS for file in sorted((folder / name).glob(f"*{SUFFIX}"))}
    usual = folder / _DEFAULT
    if usual.is_file():
        found.setdefault(USUAL, usual)
    return dict(sorted(found.items(), key=lambda entry: (entry[0] != USUAL, entry[0])))


@dataclass(frozen=True, eq=False)
class StoredVoice:
    """What a file holds of a speaker.

    Attributes:
        latents: What the model hears of the speaker, a float32 tensor of shape [frames, width]; None in the other case.
        states: What its layers keep of that, once it has heard it: keys and values of each, of shape [1, heads, frames,
            width of a head]; empty in the first case.
    """

    latents: Any = None
    states: tuple[tuple[Any, Any], ...] = ()


def read_voice(file: Path, config: Any) -> StoredVoice:
    """Return what a file holds of a speaker.

    Args:
        file: Of a checkpoint, or named by a user.
        config: Of the model.

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
    width = prompt_width(config)
    latents, states = _latents(tensors, width), _states(tensors, config)
    if latents is None and not states:
        raise InputError(
            f"The voice {name} was not made for this checkpoint: it holds neither frames of {width} numbers nor the "
            f"keys and values of its {config.num_hidden_layers} layers",
            "Choose a voice that was made for it",
        )
    return StoredVoice(latents, states)


def prompt_width(config: Any) -> int:
    """Return how many numbers a frame of a speaker has for a model."""
    width: int = getattr(config, "audio_prompt_dim", config.latent_dim)
    return width


def _latents(tensors: Mapping[str, Any], width: int) -> Any:
    """Return the only tensor, or that of Phonon's own program, if it is a speaker's frames; else None."""
    turned = tensors.get(_TURNED)
    frames = next(iter(tensors.values())) if turned is None and len(tensors) == 1 else turned
    if frames is None or frames.dim() not in (2, 3) or frames.shape[:-2].numel() != 1:
        return None
    frames = frames.reshape(frames.shape[-2:])
    frames = frames if turned is None else frames.transpose(0, 1)
    fits = frames.shape[1] == width and 0 < frames.shape[0] <= _MOST_FRAMES and bool(frames.isfinite().all())
    return frames.float().contiguous() if fits else None


def _states(tensors: Mapping[str, Any], config: Any) -> tuple[tuple[Any, Any], ...]:
    """Return the keys and values of all layers, in their order; empty if any is missing or has another shape."""
    found: dict[tuple[int, str], Any] = {}
    for name, tensor in tensors.items():
        layer, kinds = _LAYER.search(name), _KIND.findall(name)
        if layer and kinds:
            found[int(layer[0]), kinds[-1]] = tensor
    pairs = [(found.get((layer, "key")), found.get((layer, "value"))) for layer in range(config.num_hidden_layers)]
    length = 0 if pairs[0][0] is None else pairs[0][0].shape[-2]
    shape = (1, config.num_key_value_heads, length, config.head_dim)
    whole = all(part is not None and tuple(part.shape) == shape for pair in pairs for part in pair)
    return tuple(pairs) if whole and 0 < length <= _MOST_FRAMES and len(found) == 2 * len(pairs) else ()
