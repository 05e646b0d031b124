"""Control networks: what makes a painter follow a control map. Each is a checkpoint of its own."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sensorium.errors import UnsupportedError
from sensorium.image_generation.diffusion.control_fit import NetworkSettings
from sensorium.image_generation.diffusion.control_kinds import CONTROL_KINDS, OTHER_KINDS
from sensorium.models import store
from sensorium.models.catalog import Checkpoint, family_of
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
        CONTROL_KINDS, "sensorium.image_generation.diffusion.control_network:ControlNetBackend"
    )

    def settings(
        self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None
    ) -> NetworkSettings:
        """Return what the network says of itself. Only ``config.json`` is read.

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
        return NetworkSettings(self.model, family, _read_config(folder, family))

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        if family not in OTHER_KINDS:
            return super()._unsuitable(family, folder)
        return UnsupportedError(
            f"{self.model!r} is {OTHER_KINDS[family]} ({family}), which can't be used here",
            "Choose a ControlNet for Stable Diffusion 1, 2, XL or 3 or FLUX, or a T2I-Adapter, and a base that it was "
            "made for",
        )


class ControlNetBackend:
    """The weights of a control network.

    Attributes:
        checkpoint: Its catalog entry.
        revision: Its commit on the hub; "" for none.
        model: The network.

    Raises:
        UnsupportedError: They are a single file.
        ModelUnavailableError: They are missing, incomplete, or damaged.
        InsufficientMemoryError: Memory doesn't suffice for them.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        import diffusers

        from sensorium.image_generation.diffusion.checkpoint import hub_revision
        from sensorium.models.device import explain_out_of_memory, place
        from sensorium.models.memory import weights_memory
        from sensorium.models.pretrained import open_model
        from sensorium.models.single_file import weights_path
        from sensorium.quiet import quiet_diffusers, without_warnings

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
        with (
            explain_out_of_memory(what, "Use fewer controls, or dtype='float16'"),
            quiet_diffusers(),
            without_warnings(),
        ):
            self.model: Any = open_model(
                getattr(diffusers, checkpoint.family or family_of(folder)),
                folder,
                checkpoint=checkpoint,
                device=placement.device,
                dtype=placement.dtype,
                **options,
            )


def _read_config(folder: Path, family: str) -> dict[str, Any]:
    """Return the settings of a control network, with diffusers' defaults for those that its file doesn't have."""
    import diffusers

    parameters = inspect.signature(getattr(diffusers, family).__init__).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters if parameter.name != "self"}
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return defaults  # `load` says what is wrong with it
    return {**defaults, **config} if isinstance(config, dict) else defaults
