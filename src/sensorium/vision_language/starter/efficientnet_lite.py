"""EfficientNet-Lite0: a small image classifier for ImageNet's 1000 classes.

Source: Tan and Le 2019, EfficientNet; the Lite variants drop squeeze-and-excitation and use ReLU6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

from sensorium.models.catalog import Checkpoint
from sensorium.vision_language.dual_encoder import softmax
from sensorium.vision_language.starter.onnx_graph import OnnxGraph

IMAGE_SIZE = 224
_CROP_FRACTION = 0.875
_CLASSES = 1000
_LONGEST = 4
"""If a picture is more times as long as wide, its ends are cut off first: they aren't seen, and resizing them may take
gigabytes."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the classifier makes of some pictures.

    Attributes:
        features: What it averages and judges, float32 ``[n, 1280, height / 32, width / 32]``.
        probabilities: Of each class, float32 ``[n, 1000]``.
    """

    features: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


class EfficientNetLite0:
    """The classifier, and where in a picture it sees its classes; threads may share it.

    Args:
        folder: The checkpoint's folder.
        checkpoint: Its catalog entry.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        self._network = OnnxGraph("efficientnet_lite0.onnx", folder, checkpoint)
        self._activation = OnnxGraph("class_activation.onnx", folder, checkpoint)

    def see(self, pixels: npt.NDArray[np.uint8]) -> Seen:
        """Look at pictures.

        Args:
            pixels: uint8 ``[n, 3, height, width]``; trained on 224 by 224.
        """
        features, logits = self._network.run(["features", "logits"], pixels=pixels)
        return Seen(features, softmax(logits))

    def class_activation(self, seen: Seen, picture: int, classes: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return where a picture speaks for some classes.

        Args:
            seen: What `see` returned.
            picture: Which of its pictures.
            classes: Indices of ImageNet classes, weighted by how likely each is.

        Returns:
            float32 ``[height / 32, width / 32]``; higher speaks for the classes.

        Source: Zhou et al. 2016, Learning Deep Features for Discriminative Localization.
        """
        features, likely = seen.features[picture], seen.probabilities[picture, list(classes)]
        # Against the mean of all classes, which every place speaks for alike.
        weights = np.full((1, _CLASSES), -1 / _CLASSES, np.float32)
        weights[0, list(classes)] += likely / likely.sum()
        (activation,) = self._activation.run(["activation"], features=features[None], class_weights=weights)
        return activation.reshape(features.shape[1:])


def preprocess(image: PIL.Image.Image) -> npt.NDArray[np.uint8]:
    """Resize and crop an RGB image for the classifier.

    Returns:
        uint8 array ``[3, 224, 224]``.
    """
    image = _middle(image, _LONGEST * min(image.size))
    side = round(IMAGE_SIZE / _CROP_FRACTION)
    scale = side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    resized = image.resize((width, height), PIL.Image.Resampling.BICUBIC)
    left, top = (width - IMAGE_SIZE) // 2, (height - IMAGE_SIZE) // 2
    return as_pixels(resized.crop((left, top, left + IMAGE_SIZE, top + IMAGE_SIZE)))


def _middle(image: PIL.Image.Image, longest: int) -> PIL.Image.Image:
    """Return the middle of a picture that is longer than so many pixels."""
    if max(image.size) <= longest:
        return image
    left, top = (max(0, length - longest) // 2 for length in image.size)
    return image.crop((left, top, min(image.width, left + longest), min(image.height, top + longest)))


def squeeze(image: PIL.Image.Image) -> npt.NDArray[np.uint8]:
    """Return all of an RGB image, out of proportion if need be: uint8 ``[3, 224, 224]``."""
    return as_pixels(image.resize((IMAGE_SIZE, IMAGE_SIZE)))


def as_pixels(image: PIL.Image.Image) -> npt.NDArray[np.uint8]:
    """Return an RGB image as uint8 ``[3, height, width]``."""
    return np.asarray(image, np.uint8).transpose(2, 0, 1)
