"""What a film is understood from: the sound track that is named, or in which somebody speaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sensorium.media.audio import read_audio
from sensorium.media.video import probe_video
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.video.film import Film
from sensorium.video.video_story import listen
from tests import real_media
from tests.sound_tracks import RATE, Track, with_tracks


def test_the_sound_track_that_is_heard(tmp_path: Path) -> None:
    info = replace(probe_video(real_media.film("Megamind")), has_audio=True)
    clip = min(real_media.speech_clips("en"), key=lambda clip: clip.path.stat().st_size)
    silence = np.zeros(2 * RATE, np.float32)
    path = with_tracks(tmp_path / "film.mkv", Track(silence, "fre"), Track(read_audio(clip.path), "eng"))
    unnamed, silent = Film(path), Film(path, track=1)
    assert unnamed.identity != silent.identity
    with SpeechToText() as speech:
        assert listen(unnamed, info, speech)[1] == "en"
        assert listen(silent, info, speech) == ((), "")
    assert "2 sound tracks" in unnamed.warnings.told()[0]
    assert silent.warnings.told() == ()
