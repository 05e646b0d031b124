"""What is written in a film, with times: lines that stay are told once."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from sensorium import TextReader, VideoQA, read_film
from sensorium.errors import InputError
from sensorium.media.video_writer import write_video
from sensorium.video.film_writing import FilmLine
from sensorium.video.starter.film_questions import AsksOfFilm, parse_film_question
from sensorium.video.starter.written_film import WrittenFilm, answer_from_film_writing
from sensorium.vision_language.starter.languages import asked
from tests import real_media


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that shows a cat for two seconds, a printed page for four, and a cat again for two."""
    cat, page = (
        ImageOps.pad(Image.open(path).convert("RGB"), (768, 480), color="white")
        for path in (real_media.photo("chelsea"), real_media.writing("page")[0])
    )
    path = tmp_path_factory.mktemp("written") / "film.mp4"
    return write_video(path, [cat] * 10 + [page] * 20 + [cat] * 10, 5)


def test_a_line_that_stays_is_told_once_with_its_times(film: Path) -> None:
    with TextReader() as reader:
        found = read_film(film, reader=reader)
        with pytest.raises(InputError, match="seconds apart"):
            read_film(film, every=0, reader=reader)
        with pytest.raises(InputError, match="chelsea"):
            read_film(real_media.photo("chelsea"), reader=reader)
    assert (found.frames, found.model) == (4, "pp-ocrv6-small")
    written = real_media.writing("page")[1].splitlines()
    lines = [line for line in found.lines if line.text.startswith("Region-based")]
    assert [(line.start, line.end) for line in lines] == [(pytest.approx(2, abs=0.25), pytest.approx(6, abs=0.25))]
    assert lines[0].confidence > 0.5
    assert len(found.lines) <= len(written) + 2


def test_questions_about_writing_are_answered_from_it_with_its_times(film: Path) -> None:
    with VideoQA(num_frames=4) as video_qa:
        for question in ("What does the page say?", "What is written in the film?", "上面写着什么？"):
            answer = video_qa.answer_video_question(film, question)
            assert "Region-based" in answer
            assert {fact.kind for fact in answer.evidence} == {"writing"}
            assert all(fact.start and fact.end and 1 <= fact.start < fact.end for fact in answer.evidence)
            assert "pp-ocrv6-small" in answer.model
            assert "whisper" not in answer.model
        title = video_qa.answer_video_question(film, "What is the title?")
        assert title.startswith('It says "Region-based')
        assert title.endswith(").")
        assert "no writing at that time" in video_qa.answer_video_question(film, "What is written at 0:00?")


LINES = (
    FilmLine("CORNER SHOP", 0.0, 4.0, 0.95, 0.1),
    FilmLine("Milk 1.20", 1.0, 4.0, 0.9, 0.05),
    FilmLine("TOTAL 3.90", 2.0, 4.0, 0.8, 0.05),
    FilmLine("CORNER SHOP", 9.0, 10.0, 0.9, 0.1),
)


@pytest.mark.parametrize(
    ("question", "answer", "starts"),
    [
        ("What is the total?", "The total is 3.90 (from 00:02 to 00:04).", [2.0]),
        ("Does the sign say corner shop?", 'Yes. It says "CORNER SHOP" (from 00:00 to 00:04 and from', [0.0, 9.0]),
        ("Does the sign say stop?", "No. It says:\n[00:00-00:04] CORNER SHOP\n[00:01-00:04] Milk 1.20\n", [0, 1, 2, 9]),
        ("When does the word milk appear?", 'It says "Milk 1.20" (from 00:01 to 00:04).', [1.0]),
        ('When does the sign say "milk"?', 'It says "Milk 1.20" (from 00:01 to 00:04).', [1.0]),
        ("When is milk written on the sign?", 'It says "Milk 1.20" (from 00:01 to 00:04).', [1.0]),
        ("When is the word butter shown?", "I can find no butter in what is written there.", []),
        ("What is the title?", 'It says "CORNER SHOP"', [0.0, 9.0]),
    ],
)
def test_what_is_asked_for_is_told_with_its_times(question: str, answer: str, starts: list[float]) -> None:
    parsed = parse_film_question(question)
    reply, _ = answer_from_film_writing(WrittenFilm(LINES), question, parsed.subject)
    assert reply.text.startswith(answer)
    assert [fact.start for fact in reply.evidence] == starts


def test_where_nothing_is_written_nothing_is_made_up() -> None:
    for question in ("What does the sign say?", "What is the total?", "When does the word milk appear?"):
        reply, found = answer_from_film_writing(WrittenFilm(()), question, "milk")
        assert (found, "no writing" in reply.text) == (False, True)


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("What does the sign say?", AsksOfFilm.WRITING),
        ("Can you read the sign?", AsksOfFilm.WRITING),
        ("Is there any writing in the film?", AsksOfFilm.WRITING),
        ("屏幕上有什么字？", AsksOfFilm.WRITING),
        ("看板に何と書いてありますか？", AsksOfFilm.WRITING),
        ("When does the sign say stop?", AsksOfFilm.WRITING),
        ("When does the man say stop?", AsksOfFilm.WHEN_SAID),
        ("Wann steht AUSFAHRT auf dem Schild?", AsksOfFilm.WRITING),
        ("Wie viel Uhr ist es?", AsksOfFilm.PICTURE),
        ("Was sagt das Schild?", AsksOfFilm.WRITING),
        ("¿Qué dice el cartel?", AsksOfFilm.WRITING),
        ("Que dit le panneau ?", AsksOfFilm.WRITING),
        ("¿Qué dice la mujer?", AsksOfFilm.WORDS),
        ("What does the man say?", AsksOfFilm.WORDS),
        ("What words are said?", AsksOfFilm.WORDS),
        ("视频里说了什么？", AsksOfFilm.WORDS),
        ("What is said about the book?", AsksOfFilm.ABOUT),
        ("When does the sign appear?", AsksOfFilm.WHEN_SEEN),
    ],
)
def test_what_is_written_is_told_from_what_is_said(question: str, asks: AsksOfFilm) -> None:
    assert parse_film_question(asked(question, film=True).english).asks is asks
