"""Recordings in which more than one language is spoken."""

from __future__ import annotations

from dataclasses import replace

import jiwer
import numpy as np
import pytest

from sensorium.media.audio import read_audio
from sensorium.media.subtitles import format_subtitles
from sensorium.speech.language_pieces import Piece
from sensorium.speech.speech_to_text import Recording, Segment, SpeechToText, Transcription
from sensorium.speech.spoken_languages import course
from sensorium.speech.subtitle_cues import subtitle_cues
from sensorium.speech.voice_activity import Span, Window
from tests import real_media
from tests.speech.conftest import SAMPLE_RATE, silence, words_of
from tests.subtitle_reader import read_cues


def clip(language: str, number: int) -> real_media.SpeechClip:
    return real_media.speech_clips(language)[number]


PARTS = [clip("en", 0), clip("en", 3), clip("es", 6), clip("fr", 6), clip("en", 4)]
"""Its first window holds three languages: 26 seconds of English, Spanish and French."""


def joined(clips: list[real_media.SpeechClip], pause: float = 0.5) -> np.ndarray:
    return np.concatenate([part for each in clips for part in (read_audio(each.path), silence(pause))])


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    return joined(PARTS)


@pytest.fixture(scope="module")
def said(recogniser: SpeechToText, recording: np.ndarray) -> Transcription:
    return recogniser.transcribe(recording, word_timestamps=True)


def languages_of(segments: tuple[Segment, ...]) -> list[str]:
    """Return the languages in the order in which they are spoken, without repetition."""
    codes = [segment.language for segment in segments]
    return [code for number, code in enumerate(codes) if number == 0 or codes[number - 1] != code]


def test_each_language_is_written_down_as_it_is_spoken(said: Transcription) -> None:
    assert languages_of(said.segments) == ["en", "es", "fr", "en"]
    assert said.language == "en"
    assert said.language_probability > 0.8
    assert said.warnings == ()
    reference = " ".join(part.text for part in PARTS).replace("mister", "Mr.")
    assert jiwer.wer(words_of(reference), words_of(said.text)) < 0.15
    edges = np.cumsum([len(read_audio(part.path)) / SAMPLE_RATE + 0.5 for part in PARTS])
    spanish = [segment for segment in said.segments if segment.language == "es"]
    assert spanish[0].start == pytest.approx(edges[1], abs=1.0)
    assert spanish[-1].end == pytest.approx(edges[2], abs=1.0)


def test_stream_and_short_recordings_together_tell_the_same(
    recogniser: SpeechToText, recording: np.ndarray, said: Transcription
) -> None:
    assert recogniser.stream(recording, word_timestamps=True).finish() == said
    short = joined([clip("en", 4), clip("es", 6), clip("en", 1)])
    alone = recogniser.transcribe(short)
    assert languages_of(alone.segments) == ["en", "es", "en"]
    (both, english) = recogniser.transcribe_together([Recording(short), Recording(joined([clip("en", 4)]))])
    assert isinstance(both, Transcription)
    assert isinstance(english, Transcription)
    assert (both.text, both.language, languages_of(both.segments)) == (
        alone.text,
        alone.language,
        ["en", "es", "en"],
    )
    assert languages_of(english.segments) == ["en"]


def test_a_named_language_holds(recogniser: SpeechToText, recording: np.ndarray) -> None:
    named = recogniser.transcribe(recording, "en", segment_timestamps=False)
    assert {segment.language for segment in named.segments} == {"en"}
    assert (named.language, named.language_probability, named.warnings) == ("en", 1.0, ())


def test_only_languages_that_may_be_spoken_are_found(recogniser: SpeechToText, recording: np.ndarray) -> None:
    found = recogniser.transcribe(recording, languages=["en", "es"], segment_timestamps=False)
    assert {segment.language for segment in found.segments} <= {"en", "es"}
    assert "mister john dashwood" in words_of(found.text.replace("Mr.", "mister"))


@pytest.mark.parametrize("language", ["es", "it", "ru"])
def test_foreign_names_and_words_change_nothing(recogniser: SpeechToText, language: str) -> None:
    # All three name Asterisk and Digium. Two English words are put into the pause after the first sentence.
    english = read_audio(clip("en", 6).path)[: int(0.9 * SAMPLE_RATE)]
    first, second = (read_audio(clip(language, number).path) for number in (0, 1))
    spoken = recogniser.transcribe(
        np.concatenate([first, silence(0.4), english, silence(0.4), second]), segment_timestamps=False
    )
    assert {segment.language for segment in spoken.segments} == {language}


def test_subtitles_tell_the_language(said: Transcription) -> None:
    forms = {form: format_subtitles(subtitle_cues(said, form), form) for form in ("srt", "vtt", "tsv", "json")}
    assert "lang" not in forms["srt"]
    assert "<lang es>" in forms["vtt"]
    assert "<lang fr>" in forms["vtt"]
    assert "<lang en>" not in forms["vtt"]
    header, *rows = forms["tsv"].splitlines()
    assert header.split("\t") == ["start", "end", "text", "language"]
    assert {row.split("\t")[3] for row in rows} == {"en", "es", "fr"}
    for form in ("vtt", "tsv", "json"):
        assert {cue.language for cue in read_cues(forms[form], form)} >= {"es", "fr"}
    english = replace(said, segments=tuple(part for part in said.segments if part.language == "en"))
    assert "<lang" not in format_subtitles(subtitle_cues(english, "vtt"), "vtt")
    assert format_subtitles(subtitle_cues(english, "tsv"), "tsv").startswith("start\tend\ttext\n")
    translated = subtitle_cues(replace(said, task="translate"), "json")
    assert {cue.language for cue in translated} == {"en"}


def test_a_language_that_is_not_sure_is_told(recogniser: SpeechToText) -> None:
    # A machine's voice in Polish, which the starter's recogniser doesn't know from Latin.
    result = recogniser.transcribe(joined(real_media.synthetic_clips("pl")))
    assert result.language_probability < 0.5
    (warning,) = result.warnings
    assert "isn't sure" in warning
    assert "0:00" in warning


def piece(seconds: float, *, pause: bool = True, **likely: float) -> Piece:
    rest = (1.0 - sum(likely.values())) / 2
    return Piece(0.0, seconds, pause, {"xx": rest, "yy": rest, "en": 0.0, "es": 0.0, **likely})


def test_only_a_sure_passage_changes_the_language() -> None:
    english, spanish = piece(4.0, en=0.9, es=0.02), piece(4.0, en=0.02, es=0.9)
    assert course([english, spanish, spanish, english], "en") == ["en", "es", "es", "en"]
    assert course([english, piece(0.8, en=0.0, es=0.99), english], "en") == ["en"] * 3
    assert course([english, piece(4.0, en=0.2, es=0.6), english], "en") == ["en"] * 3
    assert course([english, piece(4.0, en=0.02, es=0.6, pause=False), english], "en") == ["en"] * 3
    assert course([english, piece(4.0, en=0.2, es=0.6)], "en") == ["en"] * 2
    assert course([spanish] * 3, "en") == ["es"] * 3


def test_a_part_of_a_window_keeps_its_place_in_the_recording() -> None:
    samples = np.arange(8 * SAMPLE_RATE, dtype=np.float32)
    spans = (Span(16_000, 80_000, 0), Span(160_000, 224_000, 64_000))
    window = Window(samples, spans, ((0.0, 0.25), (3.75, 4.25), (7.75, 8.0)))
    whole = window.part(0.0, 8.0)
    assert (whole.spans, whole.silences, whole.seconds) == (window.spans, window.silences, 8.0)
    part = window.part(3.0, 6.0)
    assert part.samples[0] == 3 * SAMPLE_RATE
    assert part.seconds == 3.0
    assert part.speech == pytest.approx((4.0, 12.0))
    assert part.end == 12.0
    assert part.times(0.5, 0.5) == pytest.approx((4.5, 4.5))
    assert part.times(2.0, 2.0) == pytest.approx((11.0, 11.0))
    assert part.longest_pause == pytest.approx(5.0)
