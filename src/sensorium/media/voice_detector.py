"""How likely somebody speaks, 32 ms at a time.

The voice detector is the one in the package faster-whisper (Silero Team, 2024, Silero VAD: pre-trained enterprise-grade
voice activity detector).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SAMPLE_RATE = 16_000
FRAME = 512
"""Samples that the voice detector judges at a time: 32 ms."""

_CONTEXT = 64


class VoiceDetector:
    """Judges 32 ms at a time how likely somebody speaks; remembers its state from call to call."""

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._session: Any = get_vad_model().session
        self._state = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Return the probability of speech for each whole frame of ``samples``."""
        frames = samples.reshape(-1, FRAME)
        past = np.vstack([self._context[None], frames[:-1, -_CONTEXT:]])
        inputs = {"input": np.hstack([past, frames]), "h": self._state[0], "c": self._state[1]}
        found, *state = self._session.run(None, inputs)
        self._state = state[0], state[1]
        self._context = frames[-1, -_CONTEXT:].copy()
        return np.asarray(found, np.float32).reshape(-1)
