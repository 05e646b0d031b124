"""LoRA files: small additions to a checkpoint's weights, put on for one call and taken off again."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sensorium.errors import InputError, UnsupportedError
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.models.thread_safe import loading_weights
from sensorium.quiet import quiet_diffusers, quiet_transformers

if TYPE_CHECKING:
    from sensorium.image_generation.generated_image import PictureSettings

LoraFiles: TypeAlias = str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], float]]

_LONGEST_HEADER = 100_000_000


def read_loras(lora: LoraFiles, limits: Limits = DEFAULT_LIMITS) -> tuple[tuple[Path, float], ...]:
    """Return files with weights from what a caller wrote: one file, or pairs of file and weight.

    Raises:
        InputError: It is neither, or files on this machine may not be named.
    """
    pairs = [(lora, 1.0)] if isinstance(lora, (str, os.PathLike)) else list(lora)
    if pairs and not limits.allow_files:
        raise InputError("LoRA files are files on this machine, which can't be named here", "Leave them out")
    try:
        return tuple((Path(file), float(weight)) for file, weight in pairs)
    except (TypeError, ValueError):
        raise InputError(
            f"The LoRA files {lora!r} are no pairs of file and weight", "Write lora=[('ink.safetensors', 0.8)]"
        ) from None


def check_loras(loras: Sequence[tuple[Path, float]]) -> None:
    """Refuse files that can't be LoRA files, and weights out of range; nothing is loaded.

    Raises:
        InputError: A file is missing or no safetensors file, or a weight is not -10 to 10.
    """
    for file, weight in loras:
        if not -10 <= weight <= 10:
            raise InputError(f"The weight {weight} of the LoRA {file.name!r} is not -10 to 10", "Try 0.5 to 1")
        if not os.path.isfile(file):  # noqa: PTH113 - pathlib's raises an error for a long name
            raise InputError(f"There is no LoRA file {str(file)!r}", "Name the .safetensors file itself")
        if not _tensor_names(file):
            raise InputError(
                f"The LoRA {file.name!r} is not a safetensors file, or it is damaged",
                "Fetch it again; pickled files (.pt, .bin, .ckpt) can run code and are never opened",
            )


def describe_loras(loras: Sequence[tuple[Path, float]]) -> tuple[Mapping[str, Any], ...]:
    """Return name, sha256 and weight of each file, for the settings of a picture."""
    return tuple(
        {"name": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "weight": weight}
        for file, weight in loras
    )


def same_loras(settings: PictureSettings, given: tuple[tuple[Path, float], ...]) -> tuple[tuple[Path, float], ...]:
    """Return the files that a picture was made with, in its order and with its weights.

    Raises:
        InputError: One is not among those given, or those can't be LoRA files.
    """
    check_loras(given)
    files = {table["sha256"]: file for (file, _), table in zip(given, describe_loras(given), strict=True)}
    for table in settings.loras:
        if table["sha256"] not in files:
            raise InputError(
                f"The picture was made with the LoRA {table['name']!r}, which is not among the files given",
                "Give that very file",
            )
    return tuple((files[table["sha256"]], table["weight"]) for table in settings.loras)


@contextmanager
def applied_loras(pipeline: Any, loras: Sequence[tuple[Path, float]]) -> Iterator[None]:
    """Put LoRA files on a pipeline's components, and take them off afterwards whatever happens.

    The components are shared with other pipelines, so nobody else may use them meanwhile.

    Raises:
        InputError: A file was made for another family.
        UnsupportedError: The pipeline takes no LoRA files.
    """
    if not loras:
        yield
        return
    if not hasattr(pipeline, "load_lora_weights"):
        raise UnsupportedError(
            f"{type(pipeline).__name__} takes no LoRA files", "Choose a checkpoint of Stable Diffusion, XL, 3 or FLUX"
        )
    names = [f"lora_{number}" for number in range(len(loras))]
    try:
        for name, (file, _) in zip(names, loras, strict=True):
            _load(pipeline, file, name)
        pipeline.set_adapters(names, [weight for _, weight in loras])
        yield
    finally:
        with quiet_diffusers():
            pipeline.unload_lora_weights()


def _load(pipeline: Any, file: Path, name: str) -> None:
    try:
        with loading_weights, quiet_transformers(), quiet_diffusers():
            pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=name, local_files_only=True)
        loaded = any(name in adapters for adapters in pipeline.get_list_adapters().values())
    except Exception as error:  # peft and diffusers raise whatever the shapes and names lead them to
        raise _misfit(pipeline, file) from error
    if not loaded:
        raise _misfit(pipeline, file)


def _misfit(pipeline: Any, file: Path) -> InputError:
    return InputError(
        f"The LoRA {file.name!r} doesn't fit {type(pipeline).__name__}: it was made for another family",
        "Use it with a checkpoint of the family that its page names",
    )


def _tensor_names(file: Path) -> list[str]:
    with suppress(OSError, ValueError, struct.error, AttributeError), file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(min(length, _LONGEST_HEADER)))
        return [name for name in header if name != "__metadata__"]
    return []
