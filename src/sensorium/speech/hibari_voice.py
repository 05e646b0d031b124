"""Hibari: a small English voice on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hibari import Hibari

from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint


class HibariVoice:
    """The loaded voice."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self.voice: Any = Hibari(threads=devices.thread_count())
