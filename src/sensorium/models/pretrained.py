"""Opening checkpoints in transformers' layout: safetensors only, no request, no remote code, complete or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import ModelUnavailableError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory, require_memory
from sensorium.models.fetching_anew import fetch_anew
from sensorium.models.memory import weights_memory
from sensorium.models.quantization import cannot_open, opening_options
from sensorium.models.quantizing import failed, quantized_memory, quantizing_options
from sensorium.models.spoiled_files import SPOILED
from sensorium.models.thread_safe import loading_weights, make_thread_safe
from sensorium.models.weight_files import PICKLES
from sensorium.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch

_INDEX = ".safetensors.index.json"
_HALF_VARIANT = "fp16"


@dataclass(frozen=True)
class WeightsPart:
    """The part of a checkpoint that is opened, and nothing else of it.

    Attributes:
        config: The part's configuration, of transformers.
        prefix: What the names of its weights begin with in the checkpoint's files.
    """

    config: Any
    prefix: str


def open_model(
    model_class: Any,
    folder: Path,
    *,
    checkpoint: Checkpoint,
    device: str,
    dtype: torch.dtype,
    quantize: str | None = None,
    part: WeightsPart | None = None,
    **options: Any,
) -> Any:
    """Load a model of transformers for inference.

    Args:
        model_class: The class, such as ``transformers.CLIPModel``.
        folder: Holds ``config.json`` and the weights.
        checkpoint: For the words of an error.
        device: Where it goes.
        dtype: The precision of its weights.
        quantize: Quantizes them meanwhile: one of `sensorium.models.quantizing.QUANTIZE`; None to leave them.
        part: The part that is loaded; None for the whole checkpoint.
        options: Further arguments of ``from_pretrained``.

    Returns:
        The model in evaluation mode.

    Raises:
        ModelUnavailableError: Weights are missing, incomplete, damaged, or only there as pickles.
        UnsupportedError: They are quantized in a way that doesn't run here.
        MissingDependencyError: They are quantized, and the package that runs them is not installed.
        InsufficientMemoryError: They don't fit on the device.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    library = "diffusers" if model_class.__module__.startswith("diffusers.") else "transformers"
    if quantize is None:
        quantized = opening_options(folder, checkpoint, library=library, device=device)
    else:
        quantized = quantizing_options(checkpoint, folder, quantize, device=device, dtype=dtype)
    _require_safetensors(folder, checkpoint)
    require_memory(
        device, dtype, quantized_memory(weights_memory(folder, part.prefix if part else ""), quantize, dtype)
    )
    if part is not None:
        options["config"] = part.config
    fits = explain_out_of_memory(f"The checkpoint {checkpoint.name!r}", "Choose a smaller checkpoint or another device")
    try:
        with loading_weights, quiet_transformers(), fits:
            model, report = model_class.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                **quantized,
                **{**_variant(folder), **options},
            )
    except (SafetensorError, StrictDataclassError, *SPOILED) as error:
        if quantize is not None and not isinstance(error, (SafetensorError, StrictDataclassError, OSError)):
            raise failed(checkpoint, quantize, error) from error
        if quantized and quantize is None:
            raise cannot_open(checkpoint, folder, error) from error
        raise _damaged(checkpoint, "its weights or its config.json are damaged, or only half there") from error
    missing = report["missing_keys"]
    if missing:
        # transformers would fill the holes with random numbers and only warn.
        raise _damaged(checkpoint, f"{len(missing)} of its weights are missing, such as {min(missing)!r}")
    if quantized.get("device_map"):
        return model.eval()
    with explain_out_of_memory(f"The checkpoint {checkpoint.name!r}", "Choose a smaller checkpoint or another device"):
        return model.to(device).eval()


def open_part(part_class: Any, folder: Path, *, checkpoint: Checkpoint, **options: Any) -> Any:
    """Load a tokenizer, a processor or settings of transformers; threads may share what comes back.

    Raises:
        ModelUnavailableError: Its files are missing or damaged.
        ImportError: It needs a package that is not installed.
    """
    try:
        with quiet_transformers():
            part = part_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
    except ImportError:
        raise
    except Exception as error:  # tokenizers raises bare Exception
        raise _damaged(checkpoint, f"the files of its {part_class.__name__} are missing or damaged") from error
    vocabularies = _vocabulary_files(part)
    if vocabularies and not any((folder / options.get("subfolder", "") / name).is_file() for name in vocabularies):
        # transformers would go on with a tokenizer that knows no words.
        raise _damaged(checkpoint, f"its tokenizer's {' or '.join(sorted(vocabularies))} is missing")
    return make_thread_safe(part)


def _variant(folder: Path) -> dict[str, str]:
    """Return the option that opens half-precision files where a folder has no others."""
    half = (f"model.{_HALF_VARIANT}.safetensors", f"model.safetensors.index.{_HALF_VARIANT}.json")
    plain = ("model.safetensors", f"model{_INDEX}")
    is_half = any((folder / name).is_file() for name in half) and not any((folder / name).is_file() for name in plain)
    return {"variant": _HALF_VARIANT} if is_half else {}


def _vocabulary_files(part: Any) -> set[str]:
    """Return the names of files any of which holds the words of a tokenizer; empty for anything else."""
    names: dict[str, str] = getattr(part, "vocab_files_names", None) or {}
    return {"tokenizer.json", *(name for kind, name in names.items() if kind != "merges_file")} if names else set()


def _require_safetensors(folder: Path, checkpoint: Checkpoint) -> None:
    indexes = sorted(folder.glob(f"*{_INDEX}"))
    plain = [index for index in indexes if "." not in index.name.removesuffix(_INDEX)]  # no ".fp16" and the like
    for index in plain:
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            absent = sorted(shard for shard in shards if not (folder / shard).is_file())
        except SPOILED:
            raise _damaged(checkpoint, f"{index.name} is not valid") from None
        if absent:
            raise _damaged(checkpoint, f"{', '.join(absent)} is missing")
    if plain:
        return
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for suffix in PICKLES for path in folder.glob(f"*{suffix}"))
    if pickles:
        raise ModelUnavailableError(
            f"The checkpoint {checkpoint.name!r} has its weights only as a pickle ({pickles[0]}), "
            "which can run any code when it is opened",
            "Choose a revision or a repository that has model.safetensors",
        )
    raise _damaged(checkpoint, "model.safetensors is missing")


def _damaged(checkpoint: Checkpoint, reason: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} can't be opened: {reason}",
        fetch_anew(checkpoint),
    )
