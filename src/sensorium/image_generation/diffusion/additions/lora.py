"""LoRA files: small additions to a checkpoint's weights, put on for one call and taken off again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.diffusion.additions.added_file import AddedFile, find_added
from sensorium.image_generation.diffusion.additions.lora_kinds import is_lycoris, other_kind
from sensorium.image_generation.diffusion.additions.lycoris import load_lycoris
from sensorium.image_generation.diffusion.additions.named_files import lora_files, recorded_source
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import MediaSource, ResolvedMedia
from sensorium.models import store
from sensorium.models.lora_names import hub_lora
from sensorium.models.single_file import SUFFIX
from sensorium.models.thread_safe import loading_weights
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.quiet import quiet_diffusers, quiet_transformers

if TYPE_CHECKING:
    from sensorium.image_generation.picture_settings import PictureSettings

LoraFiles: TypeAlias = MediaSource | Iterable[tuple[MediaSource, float]]
"""A file, or pairs of file and weight. A file's name in the folder ``SENSORIUM_LORAS`` and a hub id stand for files,
too."""


@dataclass(frozen=True)
class Lora(AddedFile):
    """A LoRA file of a call.

    Attributes:
        source: A file of the caller's, or what somebody sent.
        weight: How strongly it counts.
    """

    weight: float


def read_loras(
    lora: LoraFiles,
    limits: Limits = DEFAULT_LIMITS,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> tuple[Lora, ...]:
    """Return files with weights from what a caller wrote: one file, or pairs of file and weight.

    Args:
        lora: The files, or names.
        limits: Whether files on this machine may be named by their paths.
        progress: Told what is fetched from the hub.
        cancel: Stops the fetch.

    Raises:
        InputError: It is neither, can't be fetched, or files on this machine may not be named.
        ModelUnavailableError: The hub has no such LoRA, or can't be asked.
        CancelledError: ``cancel`` was set.
    """
    alone = isinstance(lora, (str, os.PathLike, bytes, ResolvedMedia)) or hasattr(lora, "read")
    pairs: Any = [(lora, 1.0)] if alone else lora
    try:
        files = [(file, float(weight)) for file, weight in pairs]
    except (TypeError, ValueError):
        raise InputError(
            f"The LoRA files {lora!r} are no pairs of file and weight", "Write lora=[('ink.safetensors', 0.8)]"
        ) from None
    return tuple(Lora(_source(file, limits, progress, cancel), weight) for file, weight in files)


def is_lora_name(text: str) -> bool:
    """Return whether a text is no path but a name: of a file in the folder of LoRA files, or of a LoRA on the hub."""
    bare = not any(sign in text for sign in "/\\:") and not text.endswith(SUFFIX) and text not in ("", ".", "..", "-")
    return bare or hub_lora(text) is not None


def is_own_path(text: str) -> bool:
    """Return whether there is such a file here, or at least the folder with which the path begins."""
    first, slash, _ = text.partition("/")
    # pathlib's own questions raise an error for a name that is too long for a file.
    return os.path.isdir(first) if slash else os.path.isfile(text)  # noqa: PTH112, PTH113


def _source(
    file: MediaSource, limits: Limits, progress: ProgressCallback | None, cancel: Cancellation | None
) -> Path | ResolvedMedia:
    if not isinstance(file, str) or not is_lora_name(file) or (limits.allow_files and is_own_path(file)):
        return find_added(file, "LoRA", limits)
    if hub_lora(file) is not None:
        return store.locate_lora(file, progress=progress, cancel=cancel)
    own = lora_files()
    found = own.find(file)
    if found is None:
        raise InputError(
            f"There is no LoRA file {file!r}{', in the folder of LoRA files neither' if own.folder else ''}",
            own.suggestion(file) + "Name the .safetensors file itself, or a hub id, owner/repository",
        )
    return found


def check_loras(loras: Sequence[Lora]) -> None:
    """Refuse files that can't be LoRA files, and weights out of range; nothing is loaded.

    Raises:
        InputError: A file is missing, no safetensors file or something else than a LoRA, or a weight is not -10 to 10.
    """
    for lora in loras:
        check_weight(lora.name, lora.weight)
        if isinstance(lora.source, Path) and not os.path.isfile(lora.source):  # noqa: PTH113 - pathlib's raises an error for a long name
            raise InputError(f"There is no LoRA file {str(lora.source)!r}", "Name the .safetensors file itself")
        if kind := other_kind(lora.shapes):
            raise InputError(f"The file {lora.name!r} is no LoRA: it is {kind.name}", kind.remedy)
        if not lora.shapes:
            raise InputError(
                f"The LoRA {lora.name!r} is not a safetensors file, or it is cut off or damaged",
                "Fetch it again; pickled files (.pt, .bin, .ckpt) can run code and are never opened",
            )


def check_weight(name: str, weight: float) -> None:
    """Refuse a weight that no LoRA file can have.

    Args:
        name: The file's.
        weight: How strongly it is to count.

    Raises:
        InputError: It is not -10 to 10.
    """
    if not -10 <= weight <= 10:
        raise InputError(f"The weight {weight} of the LoRA {name!r} is not -10 to 10", "Try 0.5 to 1")


def describe_loras(loras: Sequence[Lora]) -> tuple[Mapping[str, Any], ...]:
    """Return name, sha256 and weight of each file, for the settings of a picture."""
    return tuple({"name": lora.name, "sha256": lora.sha256, "weight": lora.weight} for lora in loras)


def same_loras(settings: PictureSettings, given: Sequence[Lora]) -> tuple[Lora, ...]:
    """Return the files that a picture was made with, in its order and with its weights.

    Raises:
        InputError: One is not among those given, or those can't be LoRA files.
    """
    check_loras(given)
    return tuple(Lora(recorded_source("LoRA", each, given, lora_files()), each["weight"]) for each in settings.loras)


@contextmanager
def applied_loras(pipeline: Any, loras: Sequence[Lora]) -> Iterator[None]:
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
    named = {f"lora_{number}": lora for number, lora in enumerate(_in_order(loras))}
    try:
        for name, lora in named.items():
            _load(pipeline, lora, name)
        pipeline.set_adapters(list(named), [lora.weight for lora in named.values()])
        yield
    finally:
        with quiet_diffusers():
            pipeline.unload_lora_weights()


def _in_order(loras: Sequence[Lora]) -> list[Lora]:
    """Return each file once, with the sum of its weights, in an order that doesn't depend on the caller's.

    Sums of numbers in another order differ in their last digits, and the pictures with them.
    """
    weights: dict[str, float] = {}
    for lora in sorted(loras, key=lambda lora: (lora.sha256, lora.weight)):
        weights[lora.sha256] = weights.get(lora.sha256, 0.0) + lora.weight
    files = {lora.sha256: lora for lora in loras}
    once = [replace(files[sha256], weight=weight) for sha256, weight in weights.items()]
    # Layers of PEFT for LoHa and LoKr go around those for LoRA, not the other way round.
    return sorted(once, key=lambda lora: is_lycoris(lora.shapes))


def _load(pipeline: Any, lora: Lora, name: str) -> None:
    try:
        with lora.as_file() as file, loading_weights, quiet_transformers(), quiet_diffusers():
            if is_lycoris(lora.shapes):
                load_lycoris(pipeline, file, name)
            else:
                pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=name, local_files_only=True)
        loaded = any(name in adapters for adapters in pipeline.get_list_adapters().values())
    except UnsupportedError as error:
        raise UnsupportedError(f"The LoRA {lora.name!r} can't be used: {error.message}", error.remedy) from error
    except Exception as error:  # peft and diffusers raise whatever the shapes and names lead them to
        raise _misfit(pipeline, lora) from error
    if not loaded:
        raise _misfit(pipeline, lora)


def _misfit(pipeline: Any, lora: Lora) -> InputError:
    return InputError(
        f"The LoRA {lora.name!r} doesn't fit {type(pipeline).__name__}: it was made for another family",
        "Use it with a checkpoint of the family that its page names",
    )
