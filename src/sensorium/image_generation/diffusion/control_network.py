"""ControlNets: the networks that make a Stable Diffusion follow a control map. Each is a checkpoint of its own.

Source: Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.task import Task

_PLAIN_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json")
_HALF_WEIGHTS = "diffusion_pytorch_model.fp16.safetensors"
"""Some repositories have no others."""


class ControlNetwork(Task["ControlNetBackend"]):
    """One ControlNet, loaded at first use and shared by all that use it.

    Args:
        model: Catalog name, hub id or local folder.
        device: Where the base checkpoint runs.
        dtype: The precision of the base checkpoint.
    """

    task: ClassVar[str] = "image-control"
    families: ClassVar[Mapping[str, str]] = {
        "ControlNetModel": "sensorium.image_generation.diffusion.control_network:ControlNetBackend"
    }


class ControlNetBackend:
    """The weights of a ControlNet.

    Raises:
        ModelUnavailableError: They are missing, incomplete, or damaged.
        InsufficientMemoryError: Memory doesn't suffice for them.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from diffusers import ControlNetModel

        from sensorium.image_generation.diffusion.checkpoint import hub_revision, quiet_diffusers
        from sensorium.models.device import explain_out_of_memory, place
        from sensorium.models.memory import weights_memory
        from sensorium.models.pretrained import open_model

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

    def check_fits(self, base: Checkpoint, unet: Any) -> None:
        """Refuse a base checkpoint of another kind than the one that the ControlNet was trained with.

        Args:
            base: The base checkpoint.
            unet: Its denoiser.

        Raises:
            UnsupportedError: The two don't fit.
        """
        mine, its = self.model.config.cross_attention_dim, unet.config.cross_attention_dim
        if mine != its:
            raise UnsupportedError(
                f"The ControlNet {self.checkpoint.name!r} was made for text features of width {mine}, and "
                f"{base.name!r} has {its}: they are different kinds of Stable Diffusion",
                f"Choose a ControlNet that was made for {base.name!r}, or another base checkpoint",
            )
        for name in ("in_channels", "block_out_channels", "layers_per_block", "addition_embed_type"):
            if self.model.config[name] != unet.config[name]:
                raise UnsupportedError(
                    f"The ControlNet {self.checkpoint.name!r} was made for another denoiser than that of "
                    f"{base.name!r}: their {name} differ",
                    f"Choose a ControlNet that was made for {base.name!r}, or another base checkpoint",
                )
