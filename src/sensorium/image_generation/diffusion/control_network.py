"""ControlNets: the networks that make a Stable Diffusion follow a control map. Each is a checkpoint of its own.

Source: Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models".
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sensorium.errors import UnsupportedError
from sensorium.models import store
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task

_PLAIN_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json")
_HALF_WEIGHTS = "diffusion_pytorch_model.fp16.safetensors"
"""Some repositories have no others."""
_FAMILY = "ControlNetModel"


class ControlNetwork(Task["ControlNetBackend"]):
    """One ControlNet, loaded at first use and shared by all that use it.

    Args:
        model: Catalog name, hub id or local folder.
        device: Where the base checkpoint runs.
        dtype: The precision of the base checkpoint.
    """

    task: ClassVar[str] = "image-control"
    families: ClassVar[Mapping[str, str]] = {
        _FAMILY: "sensorium.image_generation.diffusion.control_network:ControlNetBackend"
    }

    def check_fits(
        self,
        base: Checkpoint,
        unet: Any,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> None:
        """Refuse a base checkpoint of another kind than the one that the ControlNet was trained with.

        Only ``config.json`` is read. If it is missing, or names another family, `load` says so.

        Args:
            base: The base checkpoint.
            unet: Its denoiser.
            progress: Told about the fetch of the checkpoint.
            cancel: Stops the fetch.

        Raises:
            UnsupportedError: The two don't fit.
            ModelUnavailableError: The ControlNet isn't here and can't be fetched.
        """
        config = _read_config(store.locate(self.checkpoint, progress=progress, cancel=cancel))
        if config.get("_class_name") != _FAMILY:
            return
        mine, its = config["cross_attention_dim"], unet.config.cross_attention_dim
        if mine != its:
            raise UnsupportedError(
                f"The ControlNet {self.model!r} was made for text features of width {mine}, and "
                f"{base.name!r} has {its}: they are different kinds of Stable Diffusion",
                f"Choose a ControlNet that was made for {base.name!r}, or another base checkpoint",
            )
        for name in ("in_channels", "block_out_channels", "layers_per_block", "addition_embed_type"):
            if _plain(config[name]) != _plain(unet.config[name]):
                raise UnsupportedError(
                    f"The ControlNet {self.model!r} was made for another denoiser than that of "
                    f"{base.name!r}: their {name} differ",
                    f"Choose a ControlNet that was made for {base.name!r}, or another base checkpoint",
                )


@dataclass(frozen=True)
class PipelineControl:
    """ControlNets for one call.

    Attributes:
        networks: A ControlNet model, or a list of several, on the device and in the precision of the base.
        maps: The control map, or a list with one for each network, in the size of the picture.
        arguments: Further arguments of the pipeline's call, such as ``controlnet_conditioning_scale``.
        settings: What the settings of the pictures say about it, ready for JSON.
    """

    networks: Any
    maps: Any
    arguments: Mapping[str, Any]
    settings: Mapping[str, Any]


class ControlNetBackend:
    """The weights of a ControlNet.

    Raises:
        UnsupportedError: They are a single file.
        ModelUnavailableError: They are missing, incomplete, or damaged.
        InsufficientMemoryError: Memory doesn't suffice for them.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from diffusers import ControlNetModel

        from sensorium.image_generation.diffusion.checkpoint import hub_revision
        from sensorium.models.device import explain_out_of_memory, place
        from sensorium.models.memory import weights_memory
        from sensorium.models.pretrained import open_model
        from sensorium.models.single_file import weights_path
        from sensorium.quiet import quiet_diffusers

        if weights_path(folder, checkpoint.hub_files if checkpoint.folder else ()) is not None:
            raise UnsupportedError(
                f"The ControlNet {checkpoint.name!r} is a single file; only folders of diffusers' layout are opened",
                "Make one of it: diffusers' ControlNetModel.from_single_file(FILE).save_pretrained(FOLDER)",
            )
        placement = place(device, dtype, memory_bytes=weights_memory(folder), half="float16")
        self.checkpoint = checkpoint
        self.revision = hub_revision(folder, checkpoint)
        plain = any((folder / name).is_file() for name in _PLAIN_WEIGHTS)
        options = {"variant": "fp16"} if not plain and (folder / _HALF_WEIGHTS).is_file() else {}
        what = f"Loading {checkpoint.name!r}"
        with explain_out_of_memory(what, "Use fewer controls, or dtype='float16'"), quiet_diffusers():
            self.model: Any = open_model(
                ControlNetModel,
                folder,
                checkpoint=checkpoint,
                device=placement.device,
                dtype=placement.dtype,
                **options,
            )


def _read_config(folder: Path) -> dict[str, Any]:
    """Return the settings of a ControlNet, with diffusers' defaults for those that its file doesn't have."""
    from diffusers import ControlNetModel

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    parameters = inspect.signature(ControlNetModel.__init__).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    return {**defaults, **config} if isinstance(config, dict) else {}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
