"""Short recordings written down together: each gets what it gets alone, and nobody pays for another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import CancelledError, InputError, InternalError, NotFoundError
from sensorium.media.audio import write_audio
from sensorium.media.source import MediaSource
from sensorium.operations.media import Media
from sensorium.operations.speech_to_text import Transcribe
from sensorium.operations.tasks import Tasks
from sensorium.progress import Event, Finished, Progress
from sensorium.speech.families.whisper_ctranslate2 import CTranslate2Whisper
from sensorium.speech.recogniser import Told
from sensorium.speech.transcription import Transcription
from tests import real_media
from tests.operations.listening import Listening
from tests.operations.unheard import Unheard
from tests.speech.conftest import joined_clips, silence

ENGLISH = [str(clip.path) for clip in real_media.speech_clips("en")]
FRENCH, RUSSIAN = (str(real_media.speech_clips(language)[0].path) for language in ("fr", "ru"))


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks.close()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many windows the model decoded at once, call by call."""
    counted: list[int] = []
    recognise = CTranslate2Whisper.recognise

    def counting(self: CTranslate2Whisper, encoded: Any, told: Told, **options: Any) -> Any:
        counted.append(len(encoded.windows))
        return recognise(self, encoded, told, **options)

    monkeypatch.setattr(CTranslate2Whisper, "recognise", counting)
    return counted


def alike(said: Transcription) -> Transcription:
    """Return a transcription without its probabilities, of which the last digits may differ."""
    segments = [
        replace(
            segment,
            words=tuple(replace(word, probability=0.0) for word in segment.words),
            average_log_probability=0.0,
            no_speech_probability=0.0,
        )
        for segment in said.segments
    ]
    return replace(said, segments=tuple(segments), language_probability=round(said.language_probability, 3))


def together(operations: Sequence[Transcribe], tasks: Tasks, reports: Sequence[Listening] = ()) -> list[Any]:
    return Transcribe.run_together(operations, tasks, reports or [Listening() for _ in operations])


def alone(operations: Sequence[Transcribe], tasks: Tasks) -> list[Transcription]:
    return [operation.run(tasks, Unheard()) for operation in operations]


def parts(listener: Listening) -> tuple[Any, ...]:
    return tuple(event.result for event in listener.told if isinstance(event, Finished))


def test_each_gets_what_it_gets_alone_and_is_told_only_that(tasks: Tasks, decoded: list[int]) -> None:
    operations = [Transcribe(audio=audio, language="en") for audio in ENGLISH]
    reports = [Listening() for _ in operations]
    assert len({operation.batch_key() for operation in operations}) == 1
    found = together(operations, tasks, reports)
    assert max(decoded) > 1
    assert sum(decoded) == len(operations)
    assert list(map(alike, found)) == list(map(alike, alone(operations, tasks)))
    assert [parts(listener) for listener in reports] == [said.segments for said in found]
    for listener, said in zip(reports, found, strict=True):
        progress = [event for event in listener.told if isinstance(event, Progress)]
        assert progress[-1].done == progress[-1].total == pytest.approx(said.duration)


def test_languages_and_what_is_timed_may_differ(tasks: Tasks, decoded: list[int]) -> None:
    operations = [
        Transcribe(audio=FRENCH),
        Transcribe(audio=ENGLISH[0], word_timestamps=True),
        Transcribe(audio=RUSSIAN),
        Transcribe(audio=ENGLISH[0], segment_timestamps=False),
        Transcribe(audio=ENGLISH[0], language="en"),
    ]
    assert len({operation.batch_key() for operation in operations}) == 1
    found = together(operations, tasks)
    assert max(decoded) == 3, "English, given or detected, goes together"
    assert [said.language for said in found] == ["fr", "en", "ru", "en", "en"]
    assert [bool(said.segments[0].words) for said in found] == [False, True, False, False, False]
    assert list(map(alike, found)) == list(map(alike, alone(operations, tasks)))


def test_what_the_model_is_told_before_is_not_mixed(tasks: Tasks) -> None:
    plain = Transcribe(audio=ENGLISH[0])
    others = [{"initial_prompt": "A novel."}, {"hotwords": "Dashwood"}, {"model": "base"}, {"dtype": "float32"}]
    keys = {plain.batch_key(), *(Transcribe(audio=ENGLISH[0], **fields).batch_key() for fields in others)}
    assert len(keys) == 5
    prompted = [Transcribe(audio=audio, initial_prompt="A novel.", hotwords="Dashwood") for audio in ENGLISH[:2]]
    assert list(map(alike, together(prompted, tasks))) == list(map(alike, alone(prompted, tasks)))


def test_a_bad_recording_costs_its_own_result_only(tasks: Tasks, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_text("no sound")
    quiet = write_audio(silence(3), tmp_path / "quiet.wav", 16_000)
    operations = [
        Transcribe(audio=str(broken)),
        Transcribe(audio=ENGLISH[0]),
        Transcribe(audio=str(tmp_path / "nowhere.wav")),
        Transcribe(audio=str(real_media.film("vtest"))),
        Transcribe(audio=str(quiet)),
        Transcribe(audio=ENGLISH[1]),
    ]
    bad, one, absent, mute, nobody, two = together(operations, tasks)
    assert {type(bad), type(absent), type(mute)} == {InputError}
    assert "broken.mp3" in str(bad)
    assert "nowhere.wav" in str(absent)
    assert "no sound" in str(mute)
    assert (nobody.text, nobody.segments, nobody.duration) == ("", (), 3.0)
    assert [alike(one), alike(two)] == list(map(alike, alone([operations[1], operations[5]], tasks)))


def test_an_upload_that_is_gone_costs_its_own_result_only(tasks: Tasks) -> None:
    def find(reference: Media) -> MediaSource:
        if reference.upload:
            raise NotFoundError("There is no such upload", "Send it again")
        return str(reference)

    gone, found = together(
        [Transcribe(audio="upload:1"), Transcribe(audio=ENGLISH[0])], Tasks(find_media=find, sharing=tasks)
    )
    assert (type(gone), found.language) == (NotFoundError, "en")


def test_a_longer_recording_is_written_down_too(tasks: Tasks, tmp_path: Path, decoded: list[int]) -> None:
    talk = str(write_audio(joined_clips("en")[0][: 50 * 16_000], tmp_path / "talk.flac", 16_000))
    operations = [Transcribe(audio=talk), Transcribe(audio=ENGLISH[0]), Transcribe(audio=ENGLISH[0])]
    reports = [Listening() for _ in operations]
    found = together(operations, tasks, reports)
    assert decoded[0] == 2, "those who are quick come first"
    assert list(map(alike, found)) == list(map(alike, alone(operations, tasks)))
    assert parts(reports[0]) == found[0].segments


def begun(event: Event) -> bool:
    return isinstance(event, Progress) and event.stage == "transcribing"


def test_whoever_cancels_stops_alone(tasks: Tasks, decoded: list[int]) -> None:
    operations = [Transcribe(audio=audio, language="en") for audio in [ENGLISH[0]] * 3]
    reports = [Listening(), Listening(until=begun), Listening()]
    one, cancelled, three = together(operations, tasks, reports)
    assert type(cancelled) is CancelledError
    assert decoded == [2], "the others were done once, without the one that was cancelled"
    assert [alike(one), alike(three)] == list(map(alike, alone([operations[0], operations[2]], tasks)))
    assert parts(reports[1]) == ()


def test_whoever_cancels_while_the_model_listens_gets_nothing(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [Listening(until=lambda event: event == Progress("stop", 0)), Listening()]
    recognise = CTranslate2Whisper.recognise

    def interrupted(self: CTranslate2Whisper, *args: Any, **options: Any) -> Any:
        reports[0].tell(Progress("stop", 0))
        return recognise(self, *args, **options)

    monkeypatch.setattr(CTranslate2Whisper, "recognise", interrupted)
    cancelled, other = together([Transcribe(audio=ENGLISH[0])] * 2, tasks, reports)
    assert (type(cancelled), other.language) == (CancelledError, "en")
    assert parts(reports[0]) == ()


def test_if_the_pass_fails_each_is_tried_alone_and_told_once(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    recognise = CTranslate2Whisper.recognise

    def broken_by_two_or_by_more_than_8_seconds(
        self: CTranslate2Whisper, encoded: Any, told: Told, **options: Any
    ) -> Any:
        if len(encoded.windows) > 1 or encoded.longest > 8:
            raise RuntimeError("something broke")
        return recognise(self, encoded, told, **options)

    monkeypatch.setattr(CTranslate2Whisper, "recognise", broken_by_two_or_by_more_than_8_seconds)
    audio = [ENGLISH[0], ENGLISH[0], FRENCH]
    reports = [Listening() for _ in audio]
    one, two, unlucky = together([Transcribe(audio=each) for each in audio], tasks, reports)
    assert alike(one) == alike(two)
    assert type(unlucky) is InternalError
    assert [parts(listener) for listener in reports] == [one.segments, two.segments, ()]


def test_many_go_through_at_once(tasks: Tasks) -> None:
    assert Transcribe(audio=ENGLISH[0]).at_once(tasks, Unheard()) > 1
