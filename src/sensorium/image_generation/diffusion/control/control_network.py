"""Control networks: what makes a painter follow a control map. Each is a checkpoint of its own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.control.control_file_sizes import control_file_config
from sensorium.image_generation.diffusion.control.control_fit import NetworkSettings
from sensorium.image_generation.diffusion.control.control_kinds import CONTROL_KINDS, OTHER_KINDS
from sensorium.models import store
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.models.json_files import json_table
from sensorium.models.single_file import read_weights_file, weights_path
from sensorium.models.spoiled_files import SPOILED
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task

_PLAIN_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json")
_HALF_WEIGHTS = "diffusion_pytorch_model.fp16.safetensors"
"""Some repositories have no others."""


class ControlNetwork(Task["ControlNetBackend"]):
    """One control network, loaded at first use and shared by all that use it.

    Args:
        model: Catalog name, hub id or local folder.
        device: Where the base checkpoint runs.
        dtype: The precision of the base checkpoint.
    """

    task: ClassVar[str] = "image-control"
    families: ClassVar[Mapping[str, str]] = dict.fromkeys(
        CONTROL_KINDS, "sensorium.image_generation.diffusion.control.control_network:ControlNetBackend"
    )

    def settings(
        self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None
    ) -> NetworkSettings:
        """Return what the network says of itself. Only ``config.json`` is read, or of a single file its header.

        Args:
            progress: Told about the fetch of the checkpoint.
            cancel: Stops the fetch.

        Raises:
            ModelUnavailableError: The network isn't here and can't be fetched, or has no ``config.json``.
            UnsupportedError: It is something else.
        """
        folder = store.locate(self.checkpoint, progress=progress, cancel=cancel)
        family = self._family(folder)
        if family not in self.families:
            raise self._unsuitable(family, folder)
        file = weights_path(folder, self.checkpoint.hub_files if self.checkpoint.folder else ())
        # Of a config.json that can't be read, `load` says what is wrong with it.
        config = json_table(folder / "config.json") if file is None else _file_config(file)
        return NetworkSettings(self.model, family, {**_defaults(family), **config})

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        if family not in OTHER_KINDS:
            return super()._unsuitable(family, folder)
        return UnsupportedError(
            f"{self.model!r} is {OTHER_KINDS[family]} ({family}), which can't be used here",
            "Choose a ControlNet for Stable Diffusion 1, 2, XL or 3, FLUX, Qwen-Image or Z-Image, or a T2I-Adapter, "
            "and a base that it was made for",
        )


class ControlNetBackend:
    """The weights of a control network.

    Attributes:
        checkpoint: Its catalog entry.
        revision: Its commit on the hub; "" for none.
        model: The network.

    Raises:
        UnsupportedError: They are a single file of an unusual form.
        ModelUnavailableError: They are missing, incomplete, or damaged.
        InsufficientMemoryError: Memory doesn't suffice for them.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        import diffusers

        from sensorium.image_generation.diffusion.checkpoints.checkpoint import hub_revision
        from sensorium.image_generation.diffusion.control.control_file import BYTES_IN_FLOAT32, open_control_file
        from sensorium.models.device import explain_out_of_memory, place
        from sensorium.models.memory import weights_memory
        from sensorium.models.pretrained import open_model
        from sensorium.quiet import quiet_diffusers, without_warnings

        path = weights_path(folder, checkpoint.hub_files if checkpoint.folder else ())
        file = None if path is None else read_weights_file(path)
        memory_bytes = weights_memory(folder) if file is None else file.numbers("") * BYTES_IN_FLOAT32
        placement = place(device, dtype, memory_bytes=memory_bytes, half="float16")
        self.checkpoint = checkpoint
        self.revision = hub_revision(folder, checkpoint)
        where: dict[str, Any] = {"checkpoint": checkpoint, "device": placement.device, "dtype": placement.dtype}
        advice = "Use fewer controls, or dtype='float16'"
        with explain_out_of_memory(f"Loading {checkpoint.name!r}", advice), quiet_diffusers(), without_warnings():
            if file is not None:
                self.model: Any = open_control_file(file, **where)
                return
            plain = any((folder / name).is_file() for name in _PLAIN_WEIGHTS)
            options: dict[str, Any] = {"variant": "fp16"} if not plain and (folder / _HALF_WEIGHTS).is_file() else {}
            model_class = getattr(diffusers, checkpoint.family or family_of(folder))
            self.model = open_model(model_class, folder, **where, **options)


def _defaults(family: str) -> dict[str, Any]:
    """Return diffusers' settings of a class, for those that a ``config.json`` doesn't have."""
    import diffusers

    parameters = inspect.signature(getattr(diffusers, family).__init__).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.name != "self"}


def _file_config(file: Path) -> dict[str, Any]:
    try:
        return control_file_config(read_weights_file(file))
    except SPOILED as error:
        raise ModelUnavailableError(
            f"The file {file.name!r} can't be opened: its tensors don't fit together, or some are missing",
            "Fetch or copy it again, or choose another one",
        ) from error
