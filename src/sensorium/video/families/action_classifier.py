"""Names the action in a few seconds of film, out of the actions that a checkpoint was trained to name."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sensorium.errors import UnsupportedError
from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint
from sensorium.models.image_processor import open_image_processor
from sensorium.models.placed_model import open_placed
from sensorium.models.pretrained import open_part
from sensorium.video.families.action_family import names_actions

if TYPE_CHECKING:
    import PIL.Image

_SMALL = "MCG-NJU/videomae-base-finetuned-kinetics"


class ActionClassifier:
    """A checkpoint of VideoMAE, TimeSformer or their kin that was fine-tuned to name actions.

    Sources: Tong et al. 2022, VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video
    Pre-Training; Bertasius et al. 2021, Is Space-Time Attention All You Need for Video Understanding?

    Args:
        folder: The checkpoint's folder, in transformers' layout.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.

    Attributes:
        name: Name of the checkpoint.
        labels: The actions that the checkpoint can name.
        num_frames: How many frames the checkpoint sees at once.

    Raises:
        UnsupportedError: The checkpoint names no actions: it is from before fine-tuning.
        MissingDependencyError: It needs torchvision, which is not installed.
        ModelUnavailableError: Weights or settings are missing or damaged.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoConfig, AutoModelForVideoClassification

        config: Any = open_part(AutoConfig, folder, checkpoint=checkpoint)
        if not names_actions(config.model_type, folder):
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} names no actions: it is from before fine-tuning, "
                "without a classifier",
                f"Use {_SMALL!r}",
            )
        self.name = checkpoint.name
        self.labels: tuple[str, ...] = tuple(config.id2label[index] for index in range(config.num_labels))
        self._processor: Any = open_image_processor(folder, checkpoint=checkpoint, instead=_SMALL)
        self.num_frames: int = config.num_frames
        self._model, self._placement = open_placed(
            AutoModelForVideoClassification, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        self._busy = threading.Lock()

    def probabilities(self, frames: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Return the probability of each label.

        Args:
            frames: As many RGB pictures as ``num_frames``, in the order of time.

        Returns:
            float32 ``[len(labels)]`` on the CPU; the sum is 1.
        """
        return self.logits(frames).softmax(-1)

    def logits(self, frames: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Return the classifier's raw scores, float32 ``[len(labels)]`` on the CPU."""
        pixels = self._processor(list(frames), return_tensors="pt").pixel_values
        with (
            self._busy,
            torch.inference_mode(),
            devices.explain_out_of_memory("A stretch of the film", "Use device='cpu'"),
        ):
            found: torch.Tensor = self._model(pixels.to(self._placement.device, self._placement.dtype)).logits
        return found[0].float().cpu()
