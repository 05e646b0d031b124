"""Whisper on CTranslate2, the quickest way to run it on a CPU and a fast one on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel

from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint


class CTranslate2Whisper:
    """A loaded Whisper checkpoint."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self.model: Any = WhisperModel(
            str(folder), device=device, compute_type="int8", cpu_threads=devices.thread_count()
        )
        self.batched: Any = BatchedInferencePipeline(self.model)
