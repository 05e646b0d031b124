"""Telling voices apart: networks with an x-vector head (Snyder et al. 2018), such as WavLM (Chen et al. 2022)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.models.catalog import Checkpoint
from sensorium.models.device import prepare_torch
from sensorium.models.pretrained import open_model, open_part
from sensorium.quiet import without_warnings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.models.device import Placement

_SHORTEST = 8_000
"""Samples; shorter speech is filled up with silence, because the network needs some frames."""


class SpeakerEncoder:
    """A loaded speaker encoder.

    Args:
        folder: A checkpoint of WavLM with an x-vector head.
        checkpoint: Its catalog entry.
        placement: Where it runs, and in which precision.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
        InsufficientMemoryError: The weights don't fit.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, placement: Placement) -> None:
        prepare_torch()
        from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

        self._features: Any = open_part(Wav2Vec2FeatureExtractor, folder, checkpoint=checkpoint)
        self._model: Any = open_model(
            WavLMForXVector, folder, checkpoint=checkpoint, device=placement.device, dtype=placement.dtype
        )
        self._lock = threading.Lock()

    def embed(self, samples: NDArray[np.float32]) -> Any:
        """Return the x-vector of speech at 16 kHz, a tensor of shape [1, width]."""
        import numpy as np
        import torch

        long_enough = np.pad(samples, (0, max(0, _SHORTEST - len(samples))))
        inputs = self._features(long_enough, sampling_rate=16_000, return_tensors="pt")
        # WavLM's own attention calls torch in a way that torch has come to frown upon.
        with self._lock, torch.inference_mode(), without_warnings():
            heard = self._model(inputs.input_values.to(self._model.device, self._model.dtype))
        return heard.embeddings.float()
