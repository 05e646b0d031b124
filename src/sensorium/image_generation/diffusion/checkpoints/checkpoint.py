"""Opening diffusion checkpoints in diffusers' layout: component by component, from safetensors only, complete."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.call_signature import UNUSED_COMPONENTS
from sensorium.image_generation.diffusion.other_pipelines import FETCHED_APART, FETCHED_APART_REMEDY
from sensorium.models.catalog import Checkpoint
from sensorium.models.fetching_anew import fetch_anew
from sensorium.models.pretrained import open_model, open_part
from sensorium.models.quantization import cannot_open, opening_options, stays_packed
from sensorium.models.spoiled_files import SPOILED
from sensorium.models.thread_safe import loading_weights
from sensorium.quiet import quiet_diffusers
from sensorium.vision_language.families.image_text_processor import open_without_films

if TYPE_CHECKING:
    import torch

SAFETY_CHECKER = "safety_checker"
_SAFETY_PARTS = (SAFETY_CHECKER, "feature_extractor")
_SAFETY_CLASS = "StableDiffusionSafetyChecker"
_HALF_VARIANT = "fp16"
_INDEX = "model_index.json"
_SHARD = re.compile(r"-\d{5}-of-\d{5}")


@dataclass(frozen=True)
class CheckpointLayout:
    """What a checkpoint folder says about itself, and which of its files are to be opened.

    Attributes:
        pipeline_class: Name of the pipeline's class in diffusers.
        components: From component to library and class.
        with_weights: The components that have weights.
        variant: Which of the weights to open: None for the plain files, or ``"fp16"``.
        checks_safety: Whether it has a safety checker with all that this needs.
        absent: The components that it works without.
    """

    pipeline_class: str
    components: dict[str, tuple[str, str]]
    with_weights: tuple[str, ...]
    variant: str | None
    checks_safety: bool
    absent: tuple[str, ...] = ()


def read_layout(folder: Path, checkpoint: Checkpoint, *, half_precision: bool) -> CheckpointLayout:
    """Read ``model_index.json`` and see that every component is there in full; nothing is loaded.

    A safety checker that the index names may be missing: then pictures aren't checked, and their settings say so.

    Args:
        folder: The checkpoint.
        checkpoint: Says what to leave out, and gives the words of an error.
        half_precision: Prefers half-precision files where all components have them; else they are only taken where
            there are no others.

    Raises:
        ModelUnavailableError: A component is missing, incomplete, or only there as a pickle.
        UnsupportedError: The checkpoint brings program code of its own.
        InputError: It has no such component to leave out.
    """
    index = _read_index(folder, checkpoint)
    named = {name: value for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    _require_components(checkpoint, named)
    left_out = (*checkpoint.without, *UNUSED_COMPONENTS)
    absent = tuple(name for name, value in named.items() if name in left_out or not (value[0] and value[1]))
    components = {name: (str(value[0]), str(value[1])) for name, value in named.items() if name not in absent}
    for name, (library, _) in components.items():
        if (folder / name / f"{library}.py").is_file():
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} brings program code of its own for its component {name!r}, "
                "which is never run",
                "Choose a checkpoint whose components diffusers or transformers know",
            )
    checks_safety = components.get(SAFETY_CHECKER, ("", ""))[1] == _SAFETY_CLASS and all(
        part in components and (folder / part).is_dir() for part in _SAFETY_PARTS
    )
    if not checks_safety:
        components.pop(SAFETY_CHECKER, None)
        if "image_encoder" not in components:
            components.pop(_SAFETY_PARTS[1], None)
    for name in FETCHED_APART.get(str(index.get("_class_name")), ()):
        if name in absent:
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} can't be opened: its component {name!r} isn't among its files",
                FETCHED_APART_REMEDY,
            )
    for name in components:
        if not (folder / name).is_dir():
            raise _incomplete(checkpoint, f"its component {name!r} is missing")
    with_weights = tuple(name for name in components if (folder / name / "config.json").is_file())
    plain, half = ({name for name in with_weights if _has_weights(folder / name, v)} for v in (None, _HALF_VARIANT))
    for name in with_weights:
        if name not in plain | half:
            raise _without_weights(folder / name, checkpoint)
    everything = set(with_weights)
    variant = _HALF_VARIANT if plain != everything or (half_precision and half == everything) else None
    return CheckpointLayout(str(index.get("_class_name")), components, with_weights, variant, checks_safety, absent)


def open_components(
    folder: Path, layout: CheckpointLayout, checkpoint: Checkpoint, *, device: str, dtype: torch.dtype, runs_on: str
) -> dict[str, Any]:
    """Load every component.

    Args:
        folder: The checkpoint.
        layout: From `read_layout`.
        checkpoint: For the words of an error.
        device: Where the models wait.
        dtype: Their precision.
        runs_on: Where they run; models that stay quantized are loaded there.

    Returns:
        The components by name.

    Raises:
        ModelUnavailableError: A file is damaged; the message names the component.
        UnsupportedError: A component's class isn't known, or a component is quantized in a way that doesn't run here.
        MissingDependencyError: A component is quantized, and the package that runs it is not installed.
    """
    for name in layout.with_weights:  # before gigabytes of the others are read
        part = replace(checkpoint, name=f"{checkpoint.name}/{name}")
        opening_options(folder / name, part, library=_library(layout.components[name][0]), device=runs_on)
    opened = {}
    for name, (library, class_name) in layout.components.items():
        part_class = _find_class(library, class_name, checkpoint)
        part = replace(checkpoint, name=f"{checkpoint.name}/{name}")
        where = folder / name
        if name not in layout.with_weights:
            opened[name] = _open_description(part_class, where, part)
            continue
        variant = layout.variant if layout.variant and _has_weights(where, layout.variant) else None
        options: dict[str, Any] = {"variant": variant} if variant else {}
        at = runs_on if stays_packed(where, _library(library)) else device
        if _is_of_diffusers(part_class):
            opened[name] = open_diffusers_model(part_class, where, part, at, dtype, options)
        else:
            opened[name] = open_model(part_class, where, checkpoint=part, device=at, dtype=dtype, **options)
    return opened


def assemble(folder: Path, components: dict[str, Any], checkpoint: Checkpoint, *, without: Iterable[str] = ()) -> Any:
    """Return the checkpoint's own pipeline around its loaded components.

    Args:
        folder: The checkpoint.
        components: From `open_components`.
        checkpoint: For the words of an error.
        without: The components that it works without.

    Raises:
        ModelUnavailableError: They don't make a pipeline.
        UnsupportedError: Diffusers has no such pipeline.
    """
    import diffusers

    pipeline_class: Any = diffusers.DiffusionPipeline
    absent: dict[str, Any] = {name: None for name in (*_SAFETY_PARTS, *without) if name not in components}
    try:
        with quiet_diffusers():
            if set(UNUSED_COMPONENTS) & set(without):
                return _put_together(_read_index(folder, checkpoint), {**dict.fromkeys(without), **components})
            return pipeline_class.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, **components, **absent
            )
    except AttributeError as error:
        raise UnsupportedError(
            f"The installed diffusers {diffusers.__version__} has no pipeline for the checkpoint {checkpoint.name!r}",
            "Install a newer diffusers, or choose another checkpoint",
        ) from error
    except (ValueError, TypeError, OSError) as error:
        raise _incomplete(checkpoint, f"its {_INDEX} and its components don't fit together") from error


def _put_together(index: dict[str, Any], components: dict[str, Any]) -> Any:
    """Make a pipeline without diffusers' ``from_pretrained``, which insists on parts that are left out here."""
    import diffusers

    pipeline_class = getattr(diffusers, str(index["_class_name"]))
    known = inspect.signature(pipeline_class.__init__).parameters
    return pipeline_class(**{name: value for name, value in {**index, **components}.items() if name in known})


def hub_revision(folder: Path, checkpoint: Checkpoint) -> str:
    """Return a checkpoint's commit on the hub, or "": the catalog's, or that of a folder in the hub's cache."""
    return checkpoint.revision or (folder.name if folder.parent.name == "snapshots" else "")


def _read_index(folder: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if not isinstance(index, dict):
            raise ValueError(index)
        return index
    except OSError:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} can't paint: it has no {_INDEX}, as diffusion checkpoints have",
            "Name a folder or a hub repository in diffusers' layout",
        ) from None
    except ValueError:
        raise _incomplete(checkpoint, f"its {_INDEX} is not valid") from None


def _require_components(checkpoint: Checkpoint, named: Iterable[str]) -> None:
    for name in checkpoint.without:
        if name not in named:
            raise InputError(
                f"The checkpoint {checkpoint.name!r} has no component {name!r} that could be left out",
                f"It has {', '.join(named)}",
            )


def _has_weights(folder: Path, variant: str | None) -> bool:
    """Return whether all safetensors files of a variant are there; an index that lists shards is believed."""
    ending = f".{variant}" if variant else ""
    for stem in ("diffusion_pytorch_model", "model"):
        if (folder / f"{stem}{ending}.safetensors").is_file():
            return True
        for index in (f"{stem}.safetensors.index{ending}.json", f"{stem}{ending}.safetensors.index.json"):
            try:
                shards = set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values())
            except (OSError, ValueError, KeyError, AttributeError):
                continue
            return all((folder / shard).is_file() for shard in shards)
    return False


def _without_weights(folder: Path, checkpoint: Checkpoint) -> ModelUnavailableError:
    name = folder.name
    if any(_SHARD.search(file.name) for file in folder.glob("*.safetensors")):
        return _incomplete(checkpoint, f"some of the weights of its component {name!r} are missing")
    if any(folder.glob("*.bin")):
        return ModelUnavailableError(
            f"The checkpoint {checkpoint.name!r} has the weights of its component {name!r} only as a pickle, "
            "which can run any code when it is opened",
            "Choose a revision or a repository that has safetensors files",
        )
    return _incomplete(checkpoint, f"its component {name!r} has no weights")


def _find_class(library: str, class_name: str, checkpoint: Checkpoint) -> Any:
    import transformers

    try:
        if library == "transformers":
            # Without torchvision only these image processors work, and older indexes have names that are gone.
            plain = class_name.replace("FeatureExtractor", "ImageProcessor")
            return getattr(transformers, f"{plain}Pil", None) or getattr(transformers, plain)
        return getattr(_module(library), class_name)
    except (ImportError, AttributeError) as error:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} needs {class_name} of {library}, which the installed version lacks",
            "Install a newer diffusers and transformers, or choose another checkpoint",
        ) from error


def _is_of_diffusers(model_class: Any) -> bool:
    from diffusers import ModelMixin

    return issubclass(model_class, ModelMixin)


def _module(library: str) -> Any:
    if library == "diffusers":
        return importlib.import_module(library)
    try:
        return importlib.import_module(f"diffusers.pipelines.{library}")
    except ModuleNotFoundError:  # where diffusers keeps what it maintains no more
        return importlib.import_module(f"diffusers.pipelines.deprecated.{library}")


def _open_description(part_class: Any, folder: Path, checkpoint: Checkpoint) -> Any:
    """Open a component without weights. Painters that look at pictures as a chat model does never show it films."""
    if "video_processor" in getattr(part_class, "get_attributes", list)():
        return open_without_films(part_class, folder, checkpoint=checkpoint)
    return open_part(part_class, folder, checkpoint=checkpoint)


def open_diffusers_model(
    model_class: Any, folder: Path, checkpoint: Checkpoint, device: str, dtype: torch.dtype, options: dict[str, Any]
) -> Any:
    """Load a model of diffusers for inference, complete.

    Args:
        model_class: Its class.
        folder: Holds ``config.json`` and the weights.
        checkpoint: For the words of an error.
        device: Where it goes.
        dtype: Its precision.
        options: Further arguments of ``from_pretrained``.

    Raises:
        ModelUnavailableError: Weights are missing or damaged.
        UnsupportedError: They are quantized in a way that doesn't run here.
        MissingDependencyError: They are quantized, and the package that runs them is not installed.
    """
    from safetensors import SafetensorError

    quantized = opening_options(folder, checkpoint, library="diffusers", device=device)
    try:
        with loading_weights, quiet_diffusers():
            model, report = model_class.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                **quantized,
                **options,
            )
    except (SafetensorError, *SPOILED) as error:
        if quantized:
            raise cannot_open(checkpoint, folder, error) from error
        raise _incomplete(checkpoint, "its weights or its config.json are damaged, or only half there") from error
    missing = report["missing_keys"]
    if missing:
        # diffusers would fill the holes with random numbers and only warn.
        raise _incomplete(checkpoint, f"{len(missing)} of its weights are missing, such as {min(missing)!r}")
    return model.eval() if quantized.get("device_map") else model.to(device).eval()


def _library(named: str) -> str:
    return "transformers" if named == "transformers" else "diffusers"


def _incomplete(checkpoint: Checkpoint, reason: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} can't be opened: {reason}",
        fetch_anew(checkpoint),
    )
