"""How often words are invented where nobody speaks, and how often speech is lost by leaving them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensorium.media.audio import read_audio
from sensorium.speech import invented_text
from sensorium.speech.recognised_text import Recognition
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.voice_activity import Window
from tests import real_media
from tests.speech.conftest import SAMPLE_RATE, silence
from tests.speech.spoilt_speech import SPOILT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

_LONGEST = 4 * SAMPLE_RATE


@dataclass(frozen=True)
class Tally:
    """In how many recordings there was text before the rule, and after it."""

    recordings: int
    before: int
    after: int


@pytest.fixture
def tally(recogniser: SpeechToText, monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterable[Samples]], Tally]:
    """Takes recordings, and counts those in which something is written down: without the rule, and with it."""
    heard: list[str] = []
    is_invented = invented_text.is_invented

    def noting(recognition: Recognition, window: Window) -> bool:
        heard.append(recognition.said)
        return is_invented(recognition, window)

    monkeypatch.setattr(invented_text, "is_invented", noting)

    def count(recordings: Iterable[Samples]) -> Tally:
        recordings_seen = before = after = 0
        for samples in recordings:
            heard.clear()
            recordings_seen += 1
            after += bool(recogniser.transcribe(samples).text)
            before += any(heard)
        return Tally(recordings_seen, before, after)

    return count


def test_words_are_seldom_invented_and_speech_is_seldom_lost(
    tally: Callable[[Iterable[Samples]], Tally], measured: Callable[[str], None]
) -> None:
    sounds = tally(map(read_audio, real_media.sounds("judging").values()))
    measured(
        f"words invented in recordings where nobody speaks: {sounds.after} of {sounds.recordings}, "
        f"{sounds.before} without the rule"
    )
    kept = {how: tally(map(spoil, _speech(few=how != "as recorded"))) for how, spoil in _CONDITIONS.items()}
    for how, found in kept.items():
        measured(
            f"speech ({how}) of which nothing is written down: {found.recordings - found.after} of "
            f"{found.recordings} recordings, {found.recordings - found.before} without the rule"
        )
    assert sounds.after <= 0.25 * sounds.recordings
    recordings = sum(found.recordings for found in kept.values())
    lost = sum(found.before - found.after for found in kept.values())
    measured(f"recordings with speech that the rule loses: {lost} of {recordings}")
    assert lost <= 0.05 * recordings


_CONDITIONS: dict[str, Callable[[Samples], Samples]] = {"as recorded": lambda samples: samples, **SPOILT}


def _speech(*, few: bool) -> Iterator[Samples]:
    """Yield the beginnings of sentences, and single words: in languages to which nothing was fitted."""
    clips = [clip for language in ("en", "fr", "ru") for clip in real_media.speech_clips(language)[-2:]]
    words = real_media.spoken_words("judging")
    for clip in [*clips, *(words[::4] if few else words)]:
        yield read_audio(clip.path)[:_LONGEST]


def test_what_is_left_out_is_told_and_the_speech_before_it_stays(recogniser: SpeechToText) -> None:
    horns = read_audio(real_media.sounds("judging")["horn-8"])
    alone = recogniser.transcribe(np.concatenate([silence(3), horns]))
    assert (alone.text, alone.segments, alone.language) == ("", (), "")
    (warning,) = alone.warnings
    assert "from 0:03" in warning
    assert "no speech" in warning
    clip = real_media.speech_clips("en")[1]
    spoken = read_audio(clip.path)
    beside = recogniser.transcribe(np.concatenate([spoken, silence(2), horns]))
    assert beside.text == recogniser.transcribe(spoken).text
    assert beside.language == "en"
