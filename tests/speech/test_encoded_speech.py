"""Speech as encoded sound, piece by piece while it is spoken: what a server sends."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import pytest

from sensorium.errors import CancelledError, InputError
from sensorium.media.audio import probe_audio, read_audio
from sensorium.progress import Progress
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.text_to_speech import TextToSpeech
from tests import real_media
from tests.speech.conftest import comment_of, words_of

TEXT = "The old clock had stopped. Nobody in the house knew why. Then it struck three."


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav"])
def test_joined_pieces_are_the_file_that_synthesize_writes(voice: TextToSpeech, tmp_path: Path, format: str) -> None:
    speech = voice.stream_encoded(TEXT, format, seed=1)
    pieces = list(speech)
    assert len(pieces) >= 3, "a piece for each sentence"
    data = b"".join(pieces)
    path = voice.synthesize(TEXT, tmp_path / f"a.{format}", seed=1)
    heard, written = read_audio(data), read_audio(path)
    assert len(heard) == pytest.approx(len(written), abs=0.15 * 16_000)
    assert np.sqrt((heard**2).mean()) == pytest.approx(np.sqrt((written**2).mean()), rel=0.05)
    if format in ("flac", "wav"):
        assert np.array_equal(heard, written)
    assert probe_audio(data).codec == probe_audio(path).codec
    assert comment_of(io.BytesIO(data)) == comment_of(path)
    assert speech.result.duration == pytest.approx(probe_audio(path).duration, abs=0.1)


def test_bare_samples_are_those_of_the_stream(voice: TextToSpeech) -> None:
    speech = voice.stream_encoded(TEXT, "pcm", seed=1)
    assert (speech.format, speech.media_type, speech.sample_rate, speech.seed) == ("pcm", "audio/pcm", 24_000, 1)
    data = np.frombuffer(b"".join(speech), "<i2") / 2**15
    spoken = np.concatenate([chunk.samples for chunk in voice.stream(TEXT, seed=1)])
    assert data == pytest.approx(np.clip(spoken, -1, 1), abs=1e-4)


def test_what_is_streamed_is_understood(voice: TextToSpeech, recogniser: SpeechToText) -> None:
    speech = voice.stream_encoded(TEXT, "mp3", seed=1)
    assert speech.media_type == "audio/mpeg"
    heard = recogniser.transcribe(b"".join(speech), "en").text
    assert jiwer.wer(words_of(TEXT), words_of(heard)) <= 0.1
    assert speech.result.to_dict() == {
        "format": "mp3",
        "media_type": "audio/mpeg",
        "sample_rate": 24_000,
        "duration": pytest.approx(speech.result.duration),
        "model": "hibari",
        "seed": 1,
    }


def test_a_drawn_seed_is_told_and_repeats(voice: TextToSpeech) -> None:
    speech = voice.stream_encoded("Hello there.", "wav")
    assert b"".join(speech) == b"".join(voice.stream_encoded("Hello there.", "wav", seed=speech.seed))


def test_pieces_come_while_it_is_spoken_and_closing_stops_the_voice(voice: TextToSpeech) -> None:
    spoken: list[float] = []
    speech = voice.stream_encoded(TEXT, "mp3", seed=1, progress=lambda report: spoken.append(report.done))
    assert spoken == [], "nothing is spoken before it is asked for"
    next(speech)
    assert len(spoken) == 1, "the second sentence was spoken before the first was given out"
    speech.close()
    assert list(speech) == []
    assert len(spoken) == 1
    with pytest.raises(InputError):
        _ = speech.result


def test_cancel_stops_it(voice: TextToSpeech) -> None:
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        if report.done > 0:
            cancel.set()

    speech = voice.stream_encoded("One sentence. " * 50, "opus", progress=stop, cancel=cancel)
    with pytest.raises(CancelledError):
        list(speech)


def test_unknown_formats_are_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match="midi"):
        TextToSpeech("csm-1b").stream_encoded("Hello.", "midi")


def test_a_cloned_voice_streams_with_its_consent(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    clip = real_media.speech_clips("en")[0]
    voice = TextToSpeech(tiny("csm"))
    options = {"consent": "I am the speaker", "reference_text": clip.text, "seed": 3}
    speech = voice.clone_encoded("Hello you.", clip.path, "flac", **options)
    data = b"".join(speech)
    path = voice.clone("Hello you.", clip.path, tmp_path / "a.flac", **options)
    assert np.array_equal(read_audio(data), read_audio(path))
    assert comment_of(io.BytesIO(data)) == comment_of(path)
    assert "I am the speaker" in comment_of(path)
    with pytest.raises(InputError, match="agrees"):
        voice.clone_encoded("Hello you.", clip.path, "flac")
