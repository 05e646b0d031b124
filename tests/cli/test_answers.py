"""``sensorium caption``, ``ask``, ``chat`` and ``watch``, on real pictures and a film with speech."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import real_media
from tests.checkpoints.omni import tiny_gemma_4
from tests.cli.conftest import Program, Run, documents

pytestmark = pytest.mark.usefixtures("loaded_answerers")


def test_one_caption_is_just_the_caption(run: Run, desk: Path) -> None:
    result = run("caption", "cat.jpg")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    assert "cat" in result.stdout
    assert "cat.jpg" not in result.stdout


def test_several_captions_are_named(run: Run, desk: Path) -> None:
    result = run("caption", "cat.jpg", "photos/coffee.png", "gone.png")
    assert result.exit_code == 1
    cat, coffee = result.stdout.splitlines()
    assert cat.startswith("cat.jpg: ")
    assert coffee.startswith("photos/coffee.png: ")
    assert result.stderr == "Error: There is no file gone.png. Check the name and the folder.\n"


def test_a_caption_as_json_carries_its_evidence(run: Run, desk: Path) -> None:
    (document,) = documents(run("caption", "cat.jpg", "--json").stdout)
    assert document["input"] == "cat.jpg"
    assert document["model"].startswith("socratic-image-qa")
    assert any("cat" in fact["text"] for fact in document["evidence"])


def test_libraries_keep_quiet_on_both_streams(program: Program, desk: Path) -> None:
    done = program("caption", "cat.jpg", "photos/coffee.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [document["input"] for document in documents(done.stdout)] == ["cat.jpg", "photos/coffee.png"]


def test_asking_about_a_recording_takes_a_model_that_hears(run: Run, desk: Path, tmp_path: Path) -> None:
    clip = min((clip.path for clip in real_media.speech_clips("en")), key=lambda path: path.stat().st_size)
    folder = tiny_gemma_4(tmp_path / "gemma")
    heard = run("ask", clip, "What is said?", "--model", folder, "--max-tokens", "4", "--json", "-q")
    assert (heard.exit_code, heard.stderr) == (0, "")
    (document,) = documents(heard.stdout)
    assert (document["model"], document["usage"]["completion_tokens"]) == ("gemma", 4)
    deaf = run("ask", clip, "What is said?")
    assert deaf.exit_code != 0
    assert "SpeechToText" in deaf.stderr


def test_asking_about_a_picture_and_a_film_by_content(run: Run, desk: Path) -> None:
    (desk / "film.png").write_bytes((desk / "film.mp4").read_bytes())
    picture = run("ask", "cat.jpg", "What animal is it?", "--evidence")
    assert picture.exit_code == 0
    answer, *facts = picture.stdout.splitlines()
    assert "cat" in answer
    assert all(fact.startswith("  ") for fact in facts)
    assert any("cat" in fact for fact in facts)
    (film,) = documents(run("ask", "film.png", "What is said?", "--json").stdout)
    assert "dashwood" in film["text"].lower()
    assert film["question"] == "What is said?"
    assert any(fact["kind"] == "transcript" and fact["start"] is not None for fact in film["evidence"])


def test_asking_on_standard_input(run: Run, desk: Path) -> None:
    result = run("ask", "-", "What animal is it?", input=(desk / "cat.jpg").read_bytes())
    assert result.exit_code == 0
    assert "cat" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cat.jpg", " "], "The question is empty"),
        (["gone.jpg", "What?"], "gone.jpg"),
        (["interview.mp3", "What is in the picture?"], "interview.mp3"),
        (["cat.jpg", "Что это?"], "--model"),
    ],
)
def test_questions_that_cannot_be_answered(run: Run, desk: Path, arguments: list[str], sentence: str) -> None:
    result = run("ask", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_a_chat_answers_piped_lines_until_quit(run: Run, desk: Path) -> None:
    result = run("chat", "cat.jpg", input="What animal is it?\n\nWhat color is it?\n/quit\nWhat?\n")
    assert (result.exit_code, result.stderr) == (0, "")
    animal, colour = result.stdout.splitlines()
    assert "cat" in animal
    assert colour


def test_a_chat_as_json_goes_on_after_a_question_it_cannot_answer(run: Run, desk: Path) -> None:
    result = run("chat", "cat.jpg", "--json", input="Что это?\nWhat animal is it?")
    assert result.exit_code == 1
    refused, answered = documents(result.stdout)
    assert refused["input"] == "Что это?"
    assert refused["error"]["type"] in {"InputError", "UnsupportedError"}
    assert answered["question"] == "What animal is it?"
    assert "cat" in answered["text"]


def test_a_chat_needs_a_picture_file(run: Run, desk: Path) -> None:
    assert "Name a picture file" in run("chat", "-", input="What?").stderr
    assert "gone.jpg" in run("chat", "gone.jpg", input="What?").stderr


def test_watching_describes_a_film_with_times(run: Run, desk: Path) -> None:
    result = run("watch", "film.mp4")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("[00:0") for line in lines)
    assert "cat" in result.stdout
    assert "Dashwood" in result.stdout


def test_watching_answers_a_question_and_cites_moments(run: Run, desk: Path) -> None:
    (document,) = documents(run("watch", "film.mp4", "When does the cup appear?", "--json").stdout)
    assert document["question"] == "When does the cup appear?"
    assert document["evidence"]
    assert all(fact["start"] is not None for fact in document["evidence"])
    shown = run("watch", "film.mp4", "When does the cup appear?", "--evidence").stdout
    assert shown.splitlines()[0] == document["text"]
    assert "0:0" in shown.splitlines()[1]


@pytest.mark.parametrize("arguments", [["film.mp4", " "], ["cat.jpg"], ["interview.mp3"], ["photos"]])
def test_what_cannot_be_watched(run: Run, desk: Path, arguments: list[str]) -> None:
    result = run("watch", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
