"""What all annotator checkpoints in transformers' layout share: opening, one picture in, limits, memory."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path
from typing import Any, ClassVar

import PIL.Image
import torch

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory, place
from sensorium.models.fetching_anew import fetch_anew
from sensorium.models.image_processor import open_image_processor
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model

_SMALLEST_SIDE = 8
_MOST_UNEVEN = 16
"""Some processors keep the aspect ratio: a longer strip would have millions of pixels."""
_EVEN = 2
"""A picture whose longer side is at most so many times the shorter one is no strip."""


class HubNetwork:
    """A loaded network with its image processor; safe to use from several threads, which take turns.

    Args:
        model_class: transformers' class of the network, or an Auto class.
        folder: Holds ``config.json``, ``preprocessor_config.json`` and the weights.
        checkpoint: For the words of an error.
        device: Where it goes.
        dtype: Its precision.

    Attributes:
        half: The half precision in which it runs on a GPU. Maps have 8 bits, and bfloat16 resolves no more than that.
    """

    half: ClassVar[str] = "float16"

    def __init__(
        self,
        model_class: Any,
        folder: Path,
        *,
        checkpoint: Checkpoint,
        device: str,
        dtype: str,
    ) -> None:
        placement = place(device, dtype, memory_bytes=weights_memory(folder), half=self.half)
        self.name = checkpoint.name
        self._checkpoint = checkpoint
        self.processor = open_image_processor(folder, checkpoint=checkpoint)
        self.network = open_model(
            model_class, folder, checkpoint=checkpoint, device=placement.device, dtype=placement.dtype
        )
        self._takes = inspect.signature(self.network.forward).parameters
        self._placement = placement
        self._running = threading.Lock()

    def prepare(self, image: PIL.Image.Image, what: str, **options: Any) -> Any:
        """Return what the processor makes of an upright RGB picture.

        Args:
            image: The picture.
            what: What was asked for: ``"Depth"``.
            options: Further arguments of the processor.

        Raises:
            InputError: The picture is tiny, or a strip.
            ModelUnavailableError: The processor was told what can't be done, such as a size of nothing.
        """
        width, height = image.size
        if min(width, height) < _SMALLEST_SIDE:
            raise InputError(
                f"{what} can't be told from a picture of {width}×{height} pixels",
                f"Give one whose sides are {_SMALLEST_SIDE} pixels or more",
            )
        strip = InputError(
            f"{what} can't be told from a strip of {width}×{height} pixels", "Crop it to a more even shape"
        )
        if max(width, height) > _MOST_UNEVEN * min(width, height):
            raise strip
        try:
            return self.processor(images=image, return_tensors="pt", **options)
        except ValueError as error:
            if max(width, height) <= _EVEN * min(width, height):
                raise ModelUnavailableError(
                    f"The checkpoint {self.name!r} can't prepare pictures: its preprocessor_config.json is damaged",
                    fetch_anew(self._checkpoint),
                ) from error
            raise strip from error  # scaled to its size, the picture has no row or no column left

    def run(self, inputs: Any, size: tuple[int, int], **options: Any) -> Any:
        """Run the network on what its processor gave.

        Args:
            inputs: The processor's output; what the network doesn't take is left out.
            size: Width and height of the picture, for the words of an error.
            options: Further arguments of the network, in place of the processor's of the same name.
        """
        taken = {name: self._placed(value) for name, value in inputs.items() if name in self._takes}
        with (
            self._running,
            torch.inference_mode(),
            explain_out_of_memory(
                f"A picture of {size[0]}×{size[1]} pixels",
                "Make it smaller, or use device='cpu' or a smaller checkpoint",
            ),
        ):
            return self.network(**{**taken, **options})

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(self._placement.device, self._placement.dtype if value.is_floating_point() else value.dtype)
