"""Opening image processors of transformers: those that work with Pillow, else those that work with torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.errors import MissingDependencyError, ModelUnavailableError, UnsupportedError
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.models.json_files import json_table
from sensorium.models.pretrained import open_part
from sensorium.models.torchvision import torchvision_remedy
from sensorium.quiet import quiet_transformers

_NOTHING_FROM_THE_HUB = {"class_info_file": None}
"""OneFormer's processor would fetch the names of classes, which it needs only for training."""


def open_image_processor(folder: Path, *, checkpoint: Checkpoint, instead: str = "") -> Any:
    """Open a checkpoint's image processor: the one that works with Pillow.

    Its pixels are the reference that checkpoints were published with. For a family that has none, transformers takes
    the one that works with torchvision, if torchvision is installed.

    Args:
        folder: Holds ``preprocessor_config.json``.
        checkpoint: For the words of an error.
        instead: Names another checkpoint that needs no torchvision; "" if the catalog is to be looked at.

    Raises:
        ModelUnavailableError: Its files are missing or damaged.
        UnsupportedError: It has only a processor for films.
        MissingDependencyError: It needs torchvision, which is not installed.
    """
    from transformers import AutoImageProcessor

    try:
        return open_part(AutoImageProcessor, folder, checkpoint=checkpoint, backend="pil", **_NOTHING_FROM_THE_HUB)
    except ModelUnavailableError as error:
        if "torchvision" in str(error.__cause__).lower():
            raise _needs_torchvision(checkpoint, instead) from error
        if _prepares_only_films(folder):
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} has a processor for films alone, which works with torchvision "
                "and is not used here",
                _another(checkpoint, instead),
            ) from error
        current = _current_class(folder)
        if current is None:
            raise
        return open_part(current, folder, checkpoint=checkpoint)


def _current_class(folder: Path) -> Any:
    """Return the class for a checkpoint that names one which transformers has given up, or None.

    Qwen2.5-VL's first repositories and those made from them name ``Qwen2_5_VLImageProcessor``, LLaVA-NeXT-Video's
    ``LlavaNextVideoImageProcessor``.
    """
    from transformers.models.auto import image_processing_auto

    known: Any = image_processing_auto
    named = json_table(folder / "preprocessor_config.json").get("image_processor_type")
    with quiet_transformers():
        if (
            not named
            or not (folder / "config.json").is_file()
            or known.get_image_processor_class_from_name(str(named).removesuffix("Fast")) is not None
        ):
            return None
        names = known.IMAGE_PROCESSOR_MAPPING_NAMES.get(family_of(folder)) or {}
        return known.get_image_processor_class_from_name(names.get("pil") or "")


def _prepares_only_films(folder: Path) -> bool:
    return (folder / "video_preprocessor_config.json").is_file() and not any(
        (folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")
    )


def _needs_torchvision(checkpoint: Checkpoint, instead: str) -> MissingDependencyError:
    remedy = f"{torchvision_remedy()}, or {_another(checkpoint, instead, beginning='choose')}"
    return MissingDependencyError(
        f"The checkpoint {checkpoint.name!r} needs the package torchvision to prepare pictures, which is not installed",
        remedy,
    )


def _another(checkpoint: Checkpoint, instead: str, *, beginning: str = "Choose") -> str:
    if instead:
        return f"{beginning} {instead}"
    return f"{beginning} another checkpoint: 'sensorium models list --task {checkpoint.task}' shows some"
