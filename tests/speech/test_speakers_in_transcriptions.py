"""Who says what: words and segments with speakers, held against the turns; subtitles and texts with speakers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.media.audio import read_audio
from sensorium.media.subtitles import Word, format_subtitles
from sensorium.speech.speaker_diarization import SpeakerDiarization, SpeakerTurn
from sensorium.speech.speech_to_text import Segment, SpeechToText, Transcription
from sensorium.speech.spoken_by import SpokenBy
from sensorium.speech.subtitle_cues import subtitle_cues
from tests import real_media
from tests.checkpoints.diarizers import tiny_nemotron_diarizer
from tests.checkpoints.recognisers import tiny_parakeet
from tests.refusals import refused

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spoken(*words: tuple[float, float, str]) -> Segment:
    said = tuple(Word(start, end, f" {text}") for start, end, text in words)
    return Segment(0, said[0].start, said[-1].end, " ".join(text for *_, text in words), said, language="en")


def test_words_belong_to_whoever_speaks_longest_during_them() -> None:
    turns = [SpeakerTurn(0, 2, "A"), SpeakerTurn(1.5, 4, "B"), SpeakerTurn(3, 3.6, "A"), SpeakerTurn(6, 7, "C")]
    segment = spoken(
        *[(0.0, 0.5, "Good"), (1.6, 1.9, "morning."), (1.9, 2.4, "Hello,"), (2.4, 3.0, "how"), (3.1, 3.5, "are")],
        *[(3.5, 3.5, "you?"), (4.2, 4.6, "Well."), (5.5, 5.8, "Me"), (6.9, 9.0, "too.")],
    )
    parts = list(SpokenBy(turns).told([segment, Segment(1, 9.0, 9.5, "Bye.")]))
    assert [(part.speaker, part.text) for part in parts] == [
        *[("A", "Good morning."), ("B", "Hello, how are you? Well."), ("C", "Me too."), ("C", "Bye.")]
    ]
    assert [(part.start, part.end) for part in parts] == [(0.0, 1.9), (1.9, 4.6), (5.5, 9.0), (9.0, 9.5)]
    assert {word.speaker for part in parts[:3] for word in part.words} == {"A", "B", "C"}
    assert [part.speaker for part in SpokenBy([]).told([segment])] == [""]


def dialogue(*said: tuple[str, Segment]) -> Transcription:
    turns = [SpeakerTurn(segment.start, segment.end, name) for name, segment in said]
    segments = tuple(SpokenBy(turns).told([segment for _, segment in said]))
    names = tuple(dict.fromkeys(name for name, _ in said))
    return Transcription("", "en", 1.0, 60.0, segments, "transcribe", "tiny", (), names)


def test_subtitles_and_texts_tell_who_speaks() -> None:
    quick = [
        ("Anna", spoken((0.0, 0.2, "Ready?"))),
        ("Ben & Co", spoken((0.3, 0.6, "Yes."))),
        ("Anna", spoken((5.0, 6.0, "Then"), (6.0, 6.9, "come."))),
        ("Anna", spoken((7.0, 8.5, "Now."))),
    ]
    result = dialogue(*quick)
    vtt = format_subtitles(subtitle_cues(result, "vtt"), "vtt")
    assert "<v Anna>- Ready?</v>\n<v Ben &amp; Co>- Yes.</v>\n" in vtt
    assert "<v Anna>Then come. Now.</v>\n" in vtt
    srt = format_subtitles(subtitle_cues(result, "srt"), "srt")
    assert "- Anna: Ready?\n- Ben & Co: Yes.\n" in srt
    assert "\nAnna: Then come. Now.\n" in srt
    assert format_subtitles(subtitle_cues(result, "txt"), "txt") == (
        "Anna: Ready?\nBen & Co: Yes.\nAnna: Then come. Now.\n"
    )
    table = [line.split("\t") for line in format_subtitles(subtitle_cues(result, "tsv"), "tsv").splitlines()]
    assert table[0] == ["start", "end", "text", "speaker"]
    assert [row[3] for row in table[1:]] == ["Anna", "Ben & Co", "Anna", "Anna"]
    assert '"speaker": "Ben & Co"' in format_subtitles(subtitle_cues(result, "json"), "json")
    assert "<v Ben &amp; Co>Yes.</v>" in format_subtitles(subtitle_cues(result, "vtt", words=True), "vtt")


def test_a_long_name_takes_lines_of_its_own() -> None:
    name = "The Minister for Foreign Affairs and Trade of the Republic"
    said = spoken((0.0, 1.0, "Good"), (1.0, 2.0, "morning,"), (2.0, 3.0, "everybody."))
    cues = subtitle_cues(dialogue((name, said)), "srt")
    assert " ".join(" ".join(cue.text for cue in cues).split()) == f"{name}: Good morning, everybody."
    assert all(len(line) <= 42 for cue in cues for line in cue.text.split("\n"))


def test_a_line_never_holds_two_speakers() -> None:
    words = [(number * 0.3, number * 0.3 + 0.25, "absolutely" + "." * (number % 4 == 3)) for number in range(120)]
    said = [("AB"[number // 5 % 2], spoken(*words[number : number + 5])) for number in range(0, 120, 5)]
    spoke = ""
    for cue in subtitle_cues(dialogue(*said), "srt"):
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        assert all(len(line) <= 42 for line in lines)
        assert len(cue.speakers) in (1, len(lines))
        assert all(line.startswith("- ") for line in lines) == (len(cue.speakers) == 2)
        for line, speaker in zip(lines, cue.speakers * (len(lines) // len(cue.speakers)), strict=True):
            assert line.removeprefix("- ").startswith(f"{speaker}: ") == (speaker != spoke)
            spoke = speaker


@pytest.fixture(scope="module")
def talk() -> NDArray[np.float32]:
    clips = real_media.speech_clips("en")
    return np.concatenate([read_audio(clips[number].path) for number in (0, 6, 2)])


@pytest.fixture(scope="module")
def diarizer(talk: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_nemotron_diarizer(tmp_path_factory.mktemp("checkpoints") / "diarizer", lively=talk)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_parakeet(tmp_path_factory.mktemp("checkpoints") / "parakeet", "CTC")


def test_transcriptions_tell_who_says_what(
    talk: NDArray[np.float32], diarizer: Path, recogniser: Path, tmp_path: Path
) -> None:
    turns = SpeakerDiarization(diarizer).diarize(talk).turns
    with SpeechToText(recogniser, diarizer=diarizer) as speech_to_text:
        alone = speech_to_text.transcribe(talk, word_timestamps=True)
        result = speech_to_text.transcribe(talk, word_timestamps=True, speakers=True)
        streamed = speech_to_text.stream(talk, speakers=True)
        segments = list(streamed)
        speech_to_text.generate_subtitles(talk, tmp_path / "talk.txt", speakers=True)

    assert not alone.speakers
    assert [word.text for part in result.segments for word in part.words] == [
        word.text for part in alone.segments for word in part.words
    ]
    assert len(result.segments) > len(alone.segments)
    assert [part.id for part in result.segments] == list(range(len(result.segments)))
    for part in result.segments:
        assert {word.speaker for word in part.words} == {part.speaker}
    assert set(result.speakers) == {part.speaker for part in result.segments} <= {turn.speaker for turn in turns}
    expected = [part.speaker for part in SpokenBy(turns).told(alone.segments)]
    assert [part.speaker for part in result.segments] == expected
    assert [(part.speaker, part.text) for part in segments] == [(part.speaker, part.text) for part in result.segments]
    assert not any(part.words for part in segments)
    assert streamed.result.speakers == result.speakers
    assert Transcription.from_dict(result.to_dict()) == result
    lines = (tmp_path / "talk.txt").read_text().splitlines()
    assert all(line.split(":")[0] != after.split(":")[0] for line, after in pairwise(lines))


def test_speakers_that_can_not_be_told_are_refused(recogniser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_PROFILE", "starter")
    silence = np.zeros(16_000, np.float32)
    speech_to_text = SpeechToText(recogniser)
    with refused(ModelUnavailableError, "starter", "diarizer", "models pull nemotron-3-diarization"):
        speech_to_text.transcribe(silence, speakers=True)
    with refused(InputError, "name"):
        speech_to_text.transcribe(silence, voices={" ": "anna.wav"})


def test_nobody_speaks_in_silence(recogniser: Path, diarizer: Path) -> None:
    result = SpeechToText(recogniser, diarizer=diarizer).transcribe(np.zeros(16_000, np.float32), speakers=True)
    assert (result.text, result.segments, result.speakers) == ("", (), ())
