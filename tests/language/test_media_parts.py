"""The recordings of a conversation, decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sensorium.language.media_parts import SOUND_RATE, read_media
from sensorium.language.messages import MediaPart, Turn
from sensorium.media.audio import read_audio
from sensorium.models.catalog import Checkpoint
from tests import real_media
from tests.sound_tracks import Track, with_tracks


def test_the_track_in_which_somebody_speaks(tmp_path: Path) -> None:
    speech = read_audio(min(real_media.speech_clips("en"), key=lambda clip: clip.path.stat().st_size).path)
    path = with_tracks(tmp_path / "screen.mkv", Track(np.zeros(SOUND_RATE, np.float32)), Track(speech))
    told: list[str] = []
    asked = [Turn("user", (MediaPart("audio", path),))]
    checkpoint = Checkpoint(name="listener", task="text-generation")
    (turn,) = read_media(asked, takes={"audio"}, checkpoint=checkpoint, on_warning=told.append)
    (part,) = turn.media
    assert np.std(part.source) > 0.01
    assert len(told) == 1
    assert "screen.mkv" in told[0]
