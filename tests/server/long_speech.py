"""Speech that takes long to write down: its end never comes before a test stops it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sensorium.media.audio import read_audio
from sensorium.media.audio_writer import write_audio
from tests import real_media

_TIMES = 200


def long_speech(folder: Path) -> Path:
    """Write such a recording into a folder."""
    path = folder / "talk.wav"
    clip = min((clip.path for clip in real_media.speech_clips("en")), key=lambda each: each.stat().st_size)
    write_audio(np.tile(read_audio(clip), _TIMES), path, 16_000)
    return path
