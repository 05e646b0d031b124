"""How a checkpoint wants pictures and sound prepared: settings that no checkpoint can mean are told when it is opened.

The libraries take them as they are. What comes of it shows at use only: a division by zero, labels that mean nothing,
or pictures of a thousand million pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.models.catalog import Checkpoint
from sensorium.models.fetching_anew import fetch_anew
from sensorium.models.json_files import json_table

LONGEST_SIDE = 8192
"""In pixels. The largest that transformers has as a default is 4096."""
_LONGEST_SHOWN = 60
_FILES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
_POSITIVE = {
    **dict.fromkeys(("hop_length", "n_fft", "win_length", "sampling_rate", "feature_size", "num_mel_bins"), ""),
    **dict.fromkeys(("patch_size", "temporal_patch_size", "merge_size"), ""),
    "image_std": "do_normalize",
    "std": "do_normalize",
    "rescale_factor": "do_rescale",
    "size": "do_resize",
    "crop_size": "do_center_crop",
}
"""Numbers, lists or tables of numbers that must be above 0, and the switch that puts each out of use."""
_SIDES = ("size", "crop_size")


def require_usable_settings(checkpoint: Checkpoint, folder: Path) -> None:
    """Refuse a checkpoint whose settings for preparing pictures and sound can't be meant.

    Args:
        checkpoint: For the words of the error.
        folder: The checkpoint's folder.

    Raises:
        ModelUnavailableError: The message names the file and the setting.
    """
    if checkpoint.endpoint or (checkpoint.folder and checkpoint.hub_files):
        return  # it lies elsewhere, or is a single file among others
    if (folder / "model.bin").is_file():
        return  # of CTranslate2: the model itself knows its spectrograms
    of_parts = "*/" if (folder / "model_index.json").is_file() else ""
    files = [file for name in _FILES for file in sorted({folder / name, *folder.glob(of_parts + name)})]
    for file in files:
        for setting, value, needed in _spoiled(json_table(file)):
            shown = str(value) if len(str(value)) <= _LONGEST_SHOWN else f"{str(value)[:_LONGEST_SHOWN]}…"
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} can't be used: its {file.relative_to(folder)} sets {setting} "
                f"to {shown}, and {needed}",
                fetch_anew(checkpoint),
            )


def _spoiled(settings: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield settings that can't be meant, of a table and of the tables in it: name, value, and what is needed."""
    for name, value in settings.items():
        if name in _POSITIVE:
            if settings.get(_POSITIVE[name]) is False:
                continue
            numbers = _numbers(value)
            if not all(math.isfinite(number) and number > 0 for number in numbers.values()):
                yield name, value, "numbers above 0 are needed"
            elif name in _SIDES and max(_sides(numbers), default=0) > LONGEST_SIDE:
                yield name, value, f"no model takes pictures of more than {LONGEST_SIDE} pixels a side"
        elif isinstance(value, dict):
            yield from _spoiled(value)


def _numbers(value: Any) -> dict[str, float]:
    """Return the numbers of a setting, by their names in a table or their places."""
    parts = value if isinstance(value, dict) else dict(enumerate(value if isinstance(value, list) else [value]))
    return {
        str(name): part for name, part in parts.items() if isinstance(part, (int, float)) and not isinstance(part, bool)
    }


def _sides(numbers: dict[str, float]) -> list[float]:
    """Return the sides of a picture, and no counts of the whole picture's pixels.

    Those are called so, or stand where both edges are bounded, as families of today do it.
    """
    bounds = {"shortest_edge", "longest_edge"}
    return [number for name, number in numbers.items() if "pixels" not in name and not bounds <= numbers.keys()]
