"""``--track`` chooses the sound track that a command hears; without it, a warning says that there are several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium.media.audio import read_audio
from tests import real_media
from tests.cli.conftest import Run, documents
from tests.sound_tracks import RATE, Track, with_tracks


@pytest.fixture
def film(desk: Path) -> Path:
    """A film in which nobody speaks on the track that a player plays."""
    clip = min(real_media.speech_clips("en"), key=lambda clip: clip.path.stat().st_size)
    return with_tracks(desk / "two.mkv", Track(np.zeros(RATE, np.float32), "fre"), Track(read_audio(clip.path), "eng"))


@pytest.mark.parametrize("command", ["transcribe", "translate", "detect-language"])
def test_the_track_that_is_named(run: Run, film: Path, command: str) -> None:
    for options, language, warnings in (([], "en", 1), (["--track", "2"], "en", 0), (["--track", "fr"], "", 0)):
        result = run(command, film.name, "--json", "--quiet", *options)
        assert result.exit_code == 0
        (document,) = documents(result.stdout)
        assert document["language"] == language
        assert len(document["warnings"]) == warnings
        assert result.stderr.count("two.mkv has 2 sound tracks") == warnings


@pytest.mark.parametrize("arguments", [["transcribe", "two.mkv"], ["detect-language", "two.mkv"]])
@pytest.mark.parametrize("track", ["3", "0", "de"])
def test_no_such_track(run: Run, film: Path, arguments: list[str], track: str) -> None:
    result = run(*arguments, "--track", track)
    assert result.exit_code != 0
    assert track in result.stderr
    assert "Traceback" not in result.stderr
