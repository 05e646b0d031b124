"""The recogniser's backend: its checkpoint, and the guard against repetition."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.speech.recognised_text import Recognition, SpokenWord, loops, without_squeezed
from sensorium.speech.speech_to_text import SpeechToText
from tests.speech.conftest import silence


def test_a_folder_that_is_no_whisper_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UnsupportedError, match="bert"):
        SpeechToText(tmp_path).transcribe(silence(1))
    (tmp_path / "model.bin").write_bytes(b"not weights")
    with pytest.raises(ModelUnavailableError, match="damaged"):
        SpeechToText(tmp_path).transcribe(silence(1))


def test_two_objects_share_one_set_of_weights(recogniser: SpeechToText) -> None:
    with SpeechToText("base") as other:
        assert other.backend is recogniser.backend


def recognised(words: list[tuple[str, float]], compression: float) -> Recognition:
    spoken = []
    now = 0.0
    for text, seconds in words:
        spoken.append(SpokenWord(text, now, now + seconds, 0.9))
        now += seconds
    return Recognition("".join(text for text, _ in words), tuple(spoken), -0.2, 0.0, compression)


def test_repetition_that_takes_no_time_is_a_loop_and_repetition_that_takes_time_is_speech() -> None:
    said = recognised([(" again", 0.4)] * 40, compression=8.0)
    assert not loops(said)
    looped = recognised([(" You", 0.3), (" know", 0.3), *[(" you know", 0.0)] * 80], compression=12.0)
    assert loops(looped)
    kept = without_squeezed(looped)
    assert "".join(word.text for word in kept.words) == kept.text == " You know"
    plain = recognised([(" a", 0.0), (" b", 0.4)], compression=1.1)
    assert not loops(plain)
