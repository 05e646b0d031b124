"""Another autoencoder (VAE) for a painter: from a file, a folder, or the checkpoint of another painter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.image_generation.diffusion.checkpoints.checkpoint import open_diffusers_model
from sensorium.image_generation.diffusion.checkpoints.single_file_sizes import autoencoder_sizes
from sensorium.models import store
from sensorium.models.catalog import Checkpoint
from sensorium.models.json_files import json_table
from sensorium.models.single_file import AUTOENCODER, WeightsFile, read_weights_file, weights_path
from sensorium.models.thread_safe import loading_weights
from sensorium.quiet import quiet_diffusers
from sensorium.unfinished import temporary_folder

if TYPE_CHECKING:
    import torch

_VAE = "vae"
_TOLERANCE = 1e-4


def require_autoencoder(painter: Checkpoint, settings: Mapping[str, Any] | None) -> None:
    """Refuse to replace what a painter doesn't have.

    Raises:
        InputError: The settings of its autoencoder are empty.
    """
    if not settings:
        raise InputError(
            f"The checkpoint {painter.name!r} has no autoencoder (VAE) that could be replaced", "Leave out vae"
        )


def autoencoder_settings(folder: Path) -> dict[str, Any]:
    """Return what an autoencoder's ``config.json`` says; nothing if it can't be read."""
    return json_table(folder / "config.json")


def open_autoencoder(
    checkpoint: Checkpoint, own: Mapping[str, Any], painter: Checkpoint, *, device: str, dtype: torch.dtype
) -> Any:
    """Load an autoencoder in place of a painter's own.

    Args:
        checkpoint: Where it is.
        own: The settings of the painter's own.
        painter: For the words of an error.
        device: Where it goes.
        dtype: Its precision.

    Raises:
        InputError: It is none, or one for another family of painters.
        ModelUnavailableError: It isn't here and can't be fetched, or is damaged.
    """
    folder = store.locate(checkpoint)
    path = weights_path(folder, checkpoint.hub_files if checkpoint.folder else ())
    if path is not None:
        return _from_file(read_weights_file(path), own, checkpoint, painter, device, dtype)
    inside = folder / _VAE if (folder / _VAE).is_dir() else folder
    settings = autoencoder_settings(inside)
    if not settings:
        raise InputError(
            f"{checkpoint.name!r} is no autoencoder (VAE): it has no readable config.json",
            "Name a .safetensors file, or a folder with config.json and the weights",
        )
    _require_fit(settings, own, checkpoint, painter)
    import diffusers

    kind = getattr(diffusers, str(own["_class_name"]))
    return open_diffusers_model(kind, inside, checkpoint, device, dtype, {})


def _from_file(
    file: WeightsFile,
    own: Mapping[str, Any],
    checkpoint: Checkpoint,
    painter: Checkpoint,
    device: str,
    dtype: torch.dtype,
) -> Any:
    import diffusers
    from diffusers.loaders.single_file_utils import SingleFileComponentError
    from safetensors import SafetensorError

    if file.content.family != AUTOENCODER:
        raise InputError(
            f"The file {file.path.name!r} is no autoencoder (VAE): it is {file.content.description}",
            "Name a file that holds an autoencoder alone, or a folder in diffusers' layout",
        )
    sizes = autoencoder_sizes(file)
    # Files in diffusers' own names don't tell all sizes; what tells is compared.
    settings = {**own, **(sizes if sizes["block_out_channels"] else {"latent_channels": sizes["latent_channels"]})}
    settings["_class_name"] = AUTOENCODER
    _require_fit(settings, own, checkpoint, painter)
    loader: Any = diffusers.AutoencoderKL
    with temporary_folder("sensorium-") as folder:
        (folder / "config.json").write_text(json.dumps(dict(settings)), encoding="utf-8")
        try:
            with loading_weights, quiet_diffusers():
                model = loader.from_single_file(
                    str(file.path), config=str(folder), local_files_only=True, torch_dtype=dtype
                )
        except (SingleFileComponentError, SafetensorError, OSError, LookupError, ValueError, RuntimeError) as error:
            raise _damaged(file) from error
    if any(value.is_meta for value in model.parameters()):
        raise _damaged(file)
    return model.to(device).eval()


def _require_fit(
    settings: Mapping[str, Any], own: Mapping[str, Any], checkpoint: Checkpoint, painter: Checkpoint
) -> None:
    """Refuse an autoencoder of other latents than a painter's: its pictures would be noise."""
    mine, theirs = _latents(own), _latents(settings)
    if mine["class"] != theirs["class"]:
        found = theirs["class"] or settings.get("model_type") or settings.get("architectures") or "of no known class"
        raise InputError(
            f"{checkpoint.name!r} is no autoencoder for {painter.name!r}: it is {found}, and a {mine['class']} is "
            "needed",
            "Name one that was made for the family of the checkpoint",
        )
    for what, value in mine.items():
        other = theirs[what]
        alike = abs(value - other) < _TOLERANCE if isinstance(value, float) else value == other
        if not alike:
            raise InputError(
                f"The autoencoder {checkpoint.name!r} was made for another family than {painter.name!r}: "
                f"its {what} is {other}, and {value} is needed",
                "Name one that was made for the family of the checkpoint",
            )


def _latents(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what painter and autoencoder must agree on."""
    blocks = settings.get("block_out_channels")
    return {
        "class": settings.get("_class_name"),
        "number of latent channels": settings.get("latent_channels", 4),
        "number of blocks": len(blocks) if isinstance(blocks, list) else 0,
        "scaling factor": _number(settings.get("scaling_factor"), 0.18215),
        "shift factor": _number(settings.get("shift_factor"), 0.0),
    }


def _number(value: Any, usual: float) -> float:
    return float(value) if value and isinstance(value, (int, float)) else usual


def _damaged(file: WeightsFile) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The autoencoder {file.path.name!r} can't be opened: its tensors don't fit together, or some are missing",
        "Fetch or copy the file again, or choose another one",
    )
