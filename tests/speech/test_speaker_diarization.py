"""Who speaks when: held against the library used directly, through windows, with names, and refusals."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.media.audio import read_audio
from sensorium.speech.speaker_diarization import Diarization, SpeakerDiarization, SpeakerTurn
from tests import real_media
from tests.checkpoints.diarizers import tiny_frame_diarizer, tiny_nemotron_diarizer, tiny_voice_encoder
from tests.checkpoints.recognisers import tiny_wav2vec2
from tests.refusals import refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000
LOW, MIDDLE, HIGH = 110, 400, 1500


def hum(pitch: int, seconds: float) -> Samples:
    """Return a voice of one pitch; 0 is silence."""
    noise = np.random.default_rng(pitch).standard_normal(round(seconds * RATE))
    wave = np.sign(np.sin(2 * np.pi * pitch * np.arange(len(noise)) / RATE))
    return (0.3 * wave + (0.02 if pitch else 0.0) * noise).astype(np.float32)


def reader(first: int, number: int = 1) -> Samples:
    """Return recordings of one person: the reader of a novel from 0 on, another from 5 on."""
    clips = real_media.speech_clips("en")[first : first + number]
    return np.concatenate([read_audio(clip.path) for clip in clips])


def substituted(monkeypatch: pytest.MonkeyPatch, encoder: Path) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"microsoft/wavlm-base-plus-sv={encoder}")


@pytest.mark.parametrize("look_back", [0, 2])
def test_streaming_diarizer_says_what_the_library_says(
    look_back: int, tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    import torch
    from transformers import AutoModelForAudioFrameClassification, AutoProcessor

    samples = reader(0, 4)[: 17 * RATE + 1234]
    folder = tiny_nemotron_diarizer(tmp_path / "tiny", lively=samples, look_back=look_back)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForAudioFrameClassification.from_pretrained(folder).eval()
    inputs = processor(samples, sampling_rate=RATE)
    with torch.inference_mode():
        logits = model(**inputs).logits
    [expected] = processor.extract_speaker_dict(logits, inputs.attention_mask)

    result = SpeakerDiarization(folder).diarize(samples)

    number = dict(zip(result.speakers, dict.fromkeys(each["Speaker"] for each in expected), strict=True))
    assert len(expected) > 20
    assert [(turn.start, turn.end, number[turn.speaker]) for turn in result.turns] == [
        (each["Start"], each["End"], each["Speaker"]) for each in expected
    ]
    assert result.duration == pytest.approx(len(samples) / RATE)
    assert Diarization.from_dict(result.to_dict()) == result
    parity("nemotron3_diarization", "AutoModelForAudioFrameClassification", f"{len(expected)} turns, same times")


def test_memory_stays_flat_however_long_the_recording_is(tmp_path: Path) -> None:
    diarizer = SpeakerDiarization(tiny_nemotron_diarizer(tmp_path / "tiny")).backend

    def peak(minutes: int) -> int:
        blocks = (hum(LOW, 30) for _ in range(2 * minutes))
        tracemalloc.start()
        for _ in diarizer.listen(blocks, progress=None, cancel=None):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(8) < 1.3 * peak(2)


def test_people_keep_their_letters_from_window_to_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = [(LOW, 3), (0, 1), (HIGH, 10), (LOW, 6), (MIDDLE, 5), (HIGH, 5), (MIDDLE, 10), (HIGH, 4), (LOW, 12)]
    samples = np.concatenate([hum(pitch, seconds) for pitch, seconds in script])
    # Two outputs for three people: the first is for whoever isn't high.
    speaking = np.array(
        [[pitch in (LOW, MIDDLE), pitch == HIGH] for pitch, seconds in script for _ in range(50 * seconds)]
    )
    folder = tiny_frame_diarizer(tmp_path / "tiny", lesson=(samples, speaking))
    voices = [hum(pitch, 2) for pitch in (LOW, MIDDLE, HIGH)]
    substituted(monkeypatch, tiny_voice_encoder(tmp_path / "encoder", voices))

    result = SpeakerDiarization(folder).diarize(samples)

    assert result.turns == tuple(
        SpeakerTurn(start, end, speaker)
        for start, end, speaker in [
            *[(0.0, 3.0, "A"), (4.0, 14.0, "B"), (14.0, 20.0, "A"), (20.0, 25.0, "C"), (25.0, 30.0, "B")],
            *[(30.0, 40.0, "C"), (40.0, 44.0, "B"), (44.0, 56.0, "A")],
        ]
    )
    assert [warning for warning in result.warnings if "2 people" in warning and "20 seconds" in warning]
    assert result.rttm("my talk").splitlines()[1] == "SPEAKER my_talk 1 4.000 10.000 <NA> <NA> B <NA> <NA>"


@pytest.fixture(scope="module")
def one_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diarizer that hears one person all the time."""
    return tiny_nemotron_diarizer(tmp_path_factory.mktemp("checkpoints") / "one-voice", only=1)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A speaker encoder that tells the readers of two recordings apart."""
    folder = tmp_path_factory.mktemp("checkpoints") / "encoder"
    return tiny_voice_encoder(folder, [reader(0), reader(6)])


def test_reference_recordings_give_names(one_voice: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    substituted(monkeypatch, encoder)
    clips = real_media.speech_clips("en")

    result = SpeakerDiarization(one_voice).diarize(
        clips[0].path, voices={"Bea": clips[6].path, " Anna Lee ": clips[0].path}
    )

    assert result.speakers == ("Anna Lee",)
    assert [turn.speaker for turn in result.turns] == ["Anna Lee"]
    assert "'Bea'" in result.warnings[-1]
    assert result.rttm().split()[7] == "Anna_Lee"
    stranger = SpeakerDiarization(one_voice).diarize(clips[6].path, voices={"A": clips[0].path})
    assert stranger.speakers == ("B",)  # a letter that is nobody's name


def test_nothing_is_heard_in_nothing(one_voice: Path) -> None:
    result = SpeakerDiarization(one_voice).diarize(np.zeros(100, np.float32))
    assert (result.turns, result.speakers, result.warnings) == ((), (), ())


def test_references_are_refused(one_voice: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    substituted(monkeypatch, encoder)
    diarization, samples = SpeakerDiarization(one_voice), hum(LOW, 2)
    with refused(InputError, "reference recording", "2 to 30 seconds"):
        diarization.diarize(samples, voices={"Anna": real_media.music()})
    with refused(InputError, "33", "32"):
        diarization.diarize(samples, voices={f"Anna {number}": "anna.wav" for number in range(33)})
    for name in ("", "Anna\nBea", "A" * 101):
        with refused(InputError, "name"):
            diarization.diarize(samples, voices={name: "anna.wav"})
    with refused(InputError, "two voices", "'Anna'"):
        diarization.diarize(samples, voices={"Anna": "anna.wav", " Anna ": "bea.wav"})
    with refused(InputError, "file anna.wav"):  # the name is one: it is written with a joiner
        diarization.diarize(samples, voices={"علی\u200cرضا": "anna.wav"})


@pytest.mark.parametrize("settings", [{"chunk_length": 0}, {"fifo_length": "long"}])
def test_settings_that_the_library_refuses_are_told_as_damage(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = tiny_nemotron_diarizer(tmp_path / "odd")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **settings}), encoding="utf-8")
    with refused(ModelUnavailableError, "'odd'", "config.json"):
        SpeakerDiarization(folder).load()


def test_checkpoints_that_tell_no_speakers_apart_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: dict[str, Any] = {"id2label": {0: "silence", 1: "speech"}}
    with refused(UnsupportedError, "silence, speech", "speaker-diarization"):
        SpeakerDiarization(tiny_frame_diarizer(tmp_path / "detector", **labels)).load()
    with refused(UnsupportedError, "'wav2vec2'", "speech-to-text", "speaker-diarization"):
        SpeakerDiarization(tiny_wav2vec2(tmp_path / "recogniser")).load()
    monkeypatch.setenv("SENSORIUM_PROFILE", "starter")
    with refused(ModelUnavailableError, "starter", "models pull nemotron-3-diarization"):
        SpeakerDiarization()
