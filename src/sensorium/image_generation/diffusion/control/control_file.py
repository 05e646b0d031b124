"""Opening control networks that are a single safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.control.control_file_sizes import control_file_config, original_prefix
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import open_model
from sensorium.models.single_file import WeightsFile
from sensorium.models.thread_safe import loading_weights
from sensorium.quiet import quiet_diffusers
from sensorium.unfinished import temporary_folder

if TYPE_CHECKING:
    import torch

BYTES_IN_FLOAT32 = 4
_WEIGHTS = "diffusion_pytorch_model.safetensors"


def open_control_file(file: WeightsFile, *, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> Any:
    """Load a control network from one file; its settings come from the shapes of its tensors.

    Args:
        file: In diffusers' layout, or for a ControlNet of Stable Diffusion also in that of its authors' program.
        checkpoint: For the words of an error.
        device: Where it goes.
        dtype: Its precision.

    Raises:
        ModelUnavailableError: Weights are missing or damaged.
        UnsupportedError: It has parts that no known network of its class has.
    """
    import diffusers

    model_class = getattr(diffusers, file.content.family)
    with temporary_folder("sensorium-") as folder:
        (folder / "config.json").write_text(json.dumps(control_file_config(file)), encoding="utf-8")
        if model_class is diffusers.ControlNetModel and original_prefix(file) is not None:
            model = _open_original(file, folder, checkpoint, dtype).to(device)
        else:
            (folder / _WEIGHTS).symlink_to(file.path.absolute())
            try:
                model = open_model(model_class, folder, checkpoint=checkpoint, device=device, dtype=dtype)
            except ModelUnavailableError as error:
                raise _damaged(checkpoint, file, "its tensors don't fit together, or some are missing") from error
    used, there = sum(value.numel() for value in model.state_dict().values()), file.numbers("")
    if used != there:
        raise UnsupportedError(
            f"The control network {checkpoint.name!r} has an unusual form: {there:,} numbers, and {used:,} of them "
            "have a known place",
            "Choose its repository in diffusers' layout, which says what goes where",
        )
    if file.content.family == "ZImageControlNetModel":
        _leave_out_empty_refiner(model)
    return model


def _leave_out_empty_refiner(model: Any) -> None:
    """Let version 2.0 of Z-Image's union refine with its other layers: its own refiner wasn't trained."""
    refining = model.config.add_control_noise_refiner == "control_noise_refiner"
    if refining and not model.control_noise_refiner[0].before_proj.weight.any():
        model.register_to_config(add_control_noise_refiner="control_layers")
        model.add_control_noise_refiner, model.control_noise_refiner = "control_layers", None


def _open_original(file: WeightsFile, folder: Path, checkpoint: Checkpoint, dtype: torch.dtype) -> Any:
    """Open one in the layout of its authors' program."""
    import diffusers
    from diffusers.loaders import single_file_utils
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    conversion: Any = single_file_utils
    prefix = original_prefix(file) or ""
    try:
        with loading_weights, quiet_diffusers():
            tensors = {name.removeprefix(prefix): value for name, value in load_file(file.path).items()}
            named = conversion.convert_controlnet_checkpoint(dict(tensors), control_file_config(file))
            for new, old in conversion.DIFFUSERS_TO_LDM_MAPPING["controlnet"]["addition_embed_type"].items():
                if old in tensors:  # diffusers leaves them out
                    named[new] = tensors[old]
            model: Any = diffusers.ControlNetModel.from_single_file(
                {name: value for name, value in named.items() if value is not None},
                config=str(folder),
                local_files_only=True,
                dtype=dtype,
            )
    except (
        single_file_utils.SingleFileComponentError,
        SafetensorError,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RuntimeError,
    ) as error:
        raise _damaged(checkpoint, file, "its tensors don't fit together, or some are missing") from error
    # diffusers leaves what the file doesn't have without memory.
    missing = [key for key, value in model.named_parameters() if value.is_meta]
    if missing:
        raise _damaged(checkpoint, file, f"{len(missing)} of its weights are missing, such as {min(missing)!r}")
    return model


def _damaged(checkpoint: Checkpoint, file: WeightsFile, reason: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The control network {checkpoint.name!r} can't be opened: {reason}",
        f"Fetch or copy the file {file.path.name!r} again, or choose another one",
    )
