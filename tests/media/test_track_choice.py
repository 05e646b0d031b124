"""Of several sound tracks, the one is heard that is named, has the language, or in which somebody speaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray

from sensorium.errors import InputError
from sensorium.media.audio import probe_audio, read_audio
from sensorium.media.track_choice import choose_track
from tests import real_media
from tests.refusals import refused
from tests.sound_tracks import RATE, Track, with_tracks

COMMENT = Disposition.comment
DEFAULT = Disposition.default
SILENCE = np.zeros(4 * RATE, np.float32)
SPEECH = read_audio(sorted(real_media.speech_clips("en"), key=lambda clip: clip.path.stat().st_size)[2].path)
MUSIC = read_audio(real_media.music(), end=4)

Choose = Callable[..., int]


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """Return what chooses among tracks, and has told that there are several."""

    def run(*tracks: Track, suffix: str = ".mkv", told: bool = True, **wanted: object) -> int:
        sentences: list[str] = []
        path = with_tracks(tmp_path / f"film{suffix}", *tracks)
        number = choose_track(path, on_warning=sentences.append, **wanted)  # type: ignore[arg-type]
        assert len(sentences) == told
        for sentence in sentences:
            assert f"has {len(tracks)} sound tracks" in sentence
            assert f"number {number} was heard" in sentence
        return number

    return run


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".ts"])
def test_the_track_in_which_somebody_speaks(choose: Choose, suffix: str) -> None:
    assert choose(Track(SILENCE, disposition=DEFAULT), Track(SPEECH), suffix=suffix) == 2
    assert choose(Track(MUSIC), Track(SILENCE), Track(SPEECH), suffix=suffix) == 3


def test_the_track_that_a_player_would_play_if_somebody_speaks_in_several(choose: Choose) -> None:
    assert choose(Track(SPEECH), Track(SPEECH)) == 1
    assert choose(Track(SPEECH), Track(SPEECH, disposition=DEFAULT)) == 2
    assert choose(Track(SILENCE), Track(SILENCE, disposition=DEFAULT)) == 2


def test_comments_on_a_film_come_last(choose: Choose) -> None:
    assert choose(Track(SPEECH, disposition=COMMENT), Track(SPEECH)) == 2
    assert choose(Track(SPEECH, "eng", disposition=COMMENT), Track(SPEECH, "eng"), languages=("en",)) == 2
    assert choose(Track(SPEECH, disposition=COMMENT), Track(SILENCE)) == 1


@pytest.mark.parametrize(("mark", "code"), [("eng", "en"), ("ger", "de"), ("deu", "de"), ("chi", "zh"), ("por", "pt")])
def test_the_track_of_the_language_that_is_spoken(choose: Choose, mark: str, code: str) -> None:
    assert choose(Track(SPEECH, "fre", disposition=DEFAULT), Track(SPEECH, mark), languages=(code,)) == 2


def test_of_the_tracks_of_a_language_the_one_in_which_somebody_speaks(choose: Choose) -> None:
    assert choose(Track(SPEECH, "fre"), Track(SILENCE, "eng"), Track(SPEECH, "eng"), languages=("en",)) == 3
    assert choose(Track(SPEECH, "fre"), Track(SILENCE, "eng"), languages=("en",)) == 2
    assert choose(Track(SPEECH, "fre"), Track(SILENCE, "eng"), Track(SPEECH), languages=("en",)) == 3
    assert choose(Track(SPEECH, "fre"), Track(SPEECH, "spa"), languages=("en", "es")) == 2


def test_a_track_without_a_mark_rather_than_one_of_another_language(choose: Choose) -> None:
    assert choose(Track(SPEECH, "fre"), Track(SPEECH), languages=("en",)) == 2
    assert choose(Track(SPEECH, "fre"), Track(SPEECH, "deu"), languages=("en",)) == 1


@pytest.mark.parametrize("track", [2, "2", "fr", "fre", "French", "fr-CA"])
def test_the_track_that_is_named(choose: Choose, track: int | str) -> None:
    assert choose(Track(SPEECH, "eng"), Track(SILENCE, "fre"), track=track, told=False) == 2


def test_one_track_needs_no_choice(choose: Choose) -> None:
    assert choose(Track(SILENCE), told=False) == 1
    assert choose(Track(SILENCE, "fre"), told=False, languages=("en",)) == 1


@pytest.mark.parametrize("track", [3, "de", "German", "no language"])
def test_no_such_track(choose: Choose, track: int | str) -> None:
    with refused(InputError, "film.mkv", str(track)) as refusal:
        choose(Track(SPEECH, "eng"), Track(SPEECH, "fre"), track=track)
    assert "1" in refusal.value.remedy
    assert "2" in refusal.value.remedy


@pytest.mark.parametrize("track", [0, -1, "", " ", True, 1.5])
def test_no_name_of_a_track(choose: Choose, track: object) -> None:
    with refused(InputError, repr(track)):
        choose(Track(SILENCE), track=track)


@pytest.mark.parametrize("late", [0, 290])
def test_a_long_film_in_which_somebody_speaks_late(choose: Choose, late: int) -> None:
    """Places all over the film are heard; what is said between them is found nevertheless."""
    said: NDArray[np.float32] = np.zeros(600 * RATE, np.float32)
    said[late * RATE + 30 * RATE :][: len(SPEECH)] = SPEECH
    assert choose(Track(np.zeros(600 * RATE, np.float32), disposition=DEFAULT), Track(said)) == 2


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_what_is_read_is_the_track(tmp_path: Path, suffix: str) -> None:
    path = with_tracks(tmp_path / f"film{suffix}", Track(SILENCE), Track(SPEECH[: 2 * RATE]))
    told: list[str] = []
    assert np.abs(read_audio(path, track=1, on_warning=told.append)).max() == 0
    heard = read_audio(path, track=2, on_warning=told.append)
    assert np.corrcoef(heard[: 2 * RATE], SPEECH[: 2 * RATE])[0, 1] > 0.9
    assert len(heard) < 3 * RATE
    assert told == []
    if suffix == ".mp4":  # Matroska states the duration of the whole
        assert probe_audio(path, track=1).duration == pytest.approx(4, abs=0.2)
        assert probe_audio(path, track=2).duration == pytest.approx(2, abs=0.2)
    with refused(InputError, path.name, "3"):
        read_audio(path, track=3)
