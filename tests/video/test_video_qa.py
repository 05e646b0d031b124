"""Questions about films made of real photos with a spoken sound track, and about a real film."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path

import PIL.Image
import pytest

from sensorium import CLIP, SpeechToText, VideoQA
from sensorium.answer import Answer
from sensorium.errors import CancelledError, ClosedError, InputError, UnsupportedError
from sensorium.media.limits import Limits
from sensorium.progress import Progress
from sensorium.video.starter.film_questions import AsksOfFilm, parse_film_question
from sensorium.video.video_story import clock, span
from tests.real_media import film, photo


def test_a_description_has_each_moment_and_each_sentence_with_its_time(video_qa: VideoQA, story: Path) -> None:
    told: list[Progress] = []
    description = video_qa.describe(story, progress=told.append)
    print(description)
    for words in ("tabby cat", "Coffee.", "palace", "lives in Sweden", "cup of coffee"):
        assert words.lower() in description.lower()
    assert description.startswith("[00:00")
    starts = [item.start for item in description.evidence]
    assert starts == sorted(starts)
    assert {item.kind for item in description.evidence} == {"frame", "transcript"}
    assert "whisper-base" in description.model
    assert "smollm2" not in description.model
    assert {report.unit for report in told} >= {"frames", "seconds"}


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("When does the cat appear?", "A cat is seen from 00:00 to 00:0"),
        ("When can you see a palace?", "is seen from 00:0"),
        ("Is there a cup?", "Yes, a cup is seen"),
        ("Is there an elephant?", "I can see no elephant"),
        ("When does the elephant appear?", "I can see no elephant"),
        ("How many people are there?", "nobody"),
        ("What color is the cat?", "brown"),
        ("Which animal is shown?", "tabby cat"),
        ("What is said about the palace?", "stands under a blue sky"),
        ("When is coffee mentioned?", "mentioned at 00:0"),
        ("When is a submarine mentioned?", "not mentioned"),
        ("What is shown at the beginning?", "tabby cat"),
        ("What is said at the beginning?", "Chelsea"),
        ("Where does the cat live?", "Sweden"),
        ("What does the photographer drink?", "coffee"),
        ("What is the capital of France?", "can't tell"),
        ("How old is the photographer's mother?", "can't tell"),
        ("How long is the film?", "00:1"),
        ("视频里有什么？", "虎斑猫"),
        ("猫什么时候出现？", "猫出现在 00:00 到 00:0"),
        ("有没有大象？", "看不到大象"),
        ("视频里有几个人？", "没有找到人"),
        ("猫是什么颜色的？", "棕色"),
        ("开头有什么？", "虎斑猫"),
        ("第1秒有什么？", "虎斑猫"),
        ("关于宫殿说了什么？", "stands under a blue sky"),
        ("什么时候提到咖啡？", "提到“咖啡”的地方：00:0"),
        ("视频里说了什么？", "Chelsea"),
        ("视频多长？", "视频长 00:1"),
        ("摄影师多大年纪了？", "看不出来"),
        ("股票会涨吗？", "听不懂"),
        ("Was ist am Anfang zu sehen?", "getigerte Katze"),
        ("Wann erscheint die Katze?", "Katze ist von 00:00 bis 00:0"),
        ("Gibt es einen Elefanten?", "ist kein Elefant zu sehen"),
        ("Wie viele Menschen sind im Video?", "keine Menschen"),
        ("Was wird über den Palast gesagt?", "stands under a blue sky"),
        ("Wann wird Kaffee erwähnt?", "„Kaffee“ wird erwähnt bei 00:0"),
        ("Wie lang ist das Video?", "Der Film ist 00:1"),
        ("Steigen die Aktien?", "verstehe ich nicht"),
        ("¿Cuándo aparece el gato?", "gato se ve de 00:00 a 00:0"),
        ("¿Qué se dice sobre el palacio?", "stands under a blue sky"),
        ("¿Cuánto dura el vídeo?", "El vídeo dura 00:1"),
        ("Quand le chat apparaît-il ?", "chat : visible de 00:00 à 00:0"),
        ("Y a-t-il un éléphant dans le film ?", "ne vois aucun éléphant"),
        ("Combien de temps dure la vidéo ?", "La vidéo dure 00:1"),
        ("猫はいつ出てきますか？", "猫が00:00から00:0"),
        ("動画の長さは？", "動画の長さは00:1"),
    ],
)
def test_questions_are_answered_with_the_times_they_rest_on(
    video_qa: VideoQA, story: Path, question: str, right: str
) -> None:
    answer = video_qa.answer_video_question(story, question)
    print(f"{question} {answer}")
    assert isinstance(answer, Answer)
    assert right.lower() in answer.lower()
    for item in answer.evidence:
        assert item.start is not None
        assert item.end is not None
        assert 0 <= item.start <= item.end


def test_moments_are_in_order_and_cover_the_film(video_qa: VideoQA, story: Path) -> None:
    moments = video_qa.moments(story)
    assert len(moments) == 3
    assert moments[0].start == 0
    assert [moment.end for moment in moments[:-1]] == [moment.start for moment in moments[1:]]
    assert "cat" in moments[0].caption


def test_the_film_is_looked_at_once(video_qa: VideoQA, story: Path) -> None:
    video_qa.describe(story)
    told: list[Progress] = []
    video_qa.answer_video_question(story, "Is there a cat?", progress=told.append)
    assert not [report for report in told if report.unit in {"frames", "seconds"}]


def test_a_film_without_sound_says_so(video_qa: VideoQA, silent: Path) -> None:
    description = video_qa.describe(silent)
    assert description.endswith("The film has no sound track.")
    assert "whisper" not in description.model
    assert video_qa.answer_video_question(silent, "What is said?") == "The film has no sound track."
    assert "no sound track" in video_qa.answer_video_question(silent, "What is the score?")


def test_the_example_runs(
    silent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "video.mp4").write_bytes(silent.read_bytes())
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(Path(__file__).parents[2] / "examples" / "video_qa.py"))
    assert "A tabby cat." in capsys.readouterr().out


def test_people_walking_in_a_real_film_are_found(video_qa: VideoQA) -> None:
    answer = video_qa.answer_video_question(film("vtest"), "How many people are there?")
    print(answer, [(item.start, item.text) for item in answer.evidence])
    assert answer.startswith("At least")
    assert "that is the most at one time" in answer
    seen = video_qa.answer_video_question(film("vtest"), "When does a person appear?")
    assert seen.startswith("Somebody is seen from 00:")


def test_cancel_stops(video_qa: VideoQA) -> None:
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        if report.unit == "frames" and report.done >= 1:
            cancel.set()

    with pytest.raises(CancelledError):
        video_qa.describe(film("Megamind"), progress=stop, cancel=cancel)


def test_wrong_input_is_one_sentence(video_qa: VideoQA, story: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="question is empty"):
        video_qa.answer_video_question(story, "  ")
    with pytest.raises(UnsupportedError, match=r"Korean.*'socratic-video-qa' knows only English.* Japanese"):
        video_qa.answer_video_question(story, "비디오에 무엇이 있나요?")
    with pytest.raises(InputError, match="nowhere"):
        video_qa.describe(tmp_path / "nowhere.mp4")
    letter = tmp_path / "letter.mp4"
    letter.write_text("no film\n" * 100)
    with pytest.raises(InputError, match="letter"):
        video_qa.describe(letter)
    with pytest.raises(InputError, match="chelsea"):
        video_qa.describe(photo("chelsea"))


@pytest.mark.parametrize(
    ("question", "asks", "subject"),
    [
        ("When does the cat appear?", AsksOfFilm.WHEN_SEEN, "cat"),
        ("At what time can you see a dog?", AsksOfFilm.WHEN_SEEN, "dog"),
        ("When is coffee mentioned?", AsksOfFilm.WHEN_SAID, "coffee"),
        ("When does somebody say hello?", AsksOfFilm.WHEN_SAID, "hello"),
        ("What is said?", AsksOfFilm.WORDS, ""),
        ("What is said about the launch?", AsksOfFilm.ABOUT, "launch"),
        ("How long is this video?", AsksOfFilm.LENGTH, ""),
        ("What is happening in this video?", AsksOfFilm.STORY, ""),
        ("Summarize the film.", AsksOfFilm.STORY, ""),
        ("Is there a cat?", AsksOfFilm.PICTURE, ""),
    ],
)
def test_questions_are_taken_apart(question: str, asks: AsksOfFilm, subject: str) -> None:
    parsed = parse_film_question(question)
    assert (parsed.asks, parsed.subject) == (asks, subject)


def test_times_in_questions_are_understood() -> None:
    assert parse_film_question("What can be seen at 1:07?").time == 67
    assert parse_film_question("What happens after 10 seconds?").time == 10
    assert parse_film_question("What is shown at the end of the film?").share == 1
    assert parse_film_question("What is shown?").time is None


def test_times_are_written_as_a_player_does() -> None:
    assert (clock(0), clock(67.4), clock(3672)) == ("00:00", "01:07", "1:01:12")
    assert (span(1.0, 1.2), span(1.0, 5.0)) == ("00:01", "00:01-00:05")


NO_FILES = Limits(allow_files=False)


def test_a_film_that_the_caller_opened_is_read_where_nobody_may_name_one(story: Path, tmp_path: Path) -> None:
    video_qa = VideoQA(limits=NO_FILES)
    with story.open("rb") as file:
        assert "00:1" in video_qa.answer_video_question(file, "How long is the film?")
        assert "Sweden" in video_qa.describe(file)
        assert video_qa.search(file, "a cup of coffee", limit=1).moments
        video_qa.subtitles(file, tmp_path / "film.srt")
    for source in (str(story), story, story.as_uri()):
        with pytest.raises(InputError) as refusal:
            video_qa.describe(source)
        assert refusal.value.remedy


def test_limits_hold_for_parts_that_somebody_else_made(story: Path, tmp_path: Path) -> None:
    parts = {CLIP: CLIP(), SpeechToText: SpeechToText()}

    def with_limits(limits: Limits) -> VideoQA:
        return VideoQA(limits=limits, provide=lambda system, model: parts.get(system))

    with pytest.raises(InputError):
        with_limits(NO_FILES).subtitles(story, tmp_path / "film.srt")
    with pytest.raises(InputError):
        with_limits(Limits(max_bytes=100)).subtitles(story, tmp_path / "film.srt")
    for picture in (photo("chelsea"), PIL.Image.open(photo("chelsea"))):
        with pytest.raises(InputError, match="pixels"):
            with_limits(Limits(max_pixels=100)).moderate(picture)
    assert not list(tmp_path.iterdir())


def test_a_part_that_its_owner_closed_is_not_loaded_again(story: Path) -> None:
    clip = CLIP()
    video_qa = VideoQA(provide=lambda system, model: clip if system is CLIP else None)
    clip.close()
    for call in (lambda: video_qa.search(story, "a cat"), lambda: video_qa.describe(story)):
        with pytest.raises(ClosedError):
            call()


def test_a_system_that_is_named_keeps_its_own_parts_in_another_profile() -> None:
    asked: list[tuple[type, str | None]] = []

    def provide(system: type, model: str | None) -> None:
        asked.append((system, model))

    video_qa = VideoQA("socratic-video-qa", profile="standard", provide=provide)
    video_qa.search(film("tree"), "a tree", limit=1)
    assert asked == [(CLIP, "conse-starter")]
